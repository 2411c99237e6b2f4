import { endDelivery, takeDeliveries, type TryPauses } from '../ledger/alerts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Channel } from './channel.ts';
import type { Routes } from './raise.ts';

/** Deliveries of one channel at a time, at most. */
const AT_ONCE = 20;
/** After so many tries a delivery is dead. */
const MAX_TRIES = 10;
/** Until the second try, in ms; twice as long for each after it, up to an hour. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** The part of a pause by which it may be longer, so that several monitors do not try at once. */
const JITTER = 0.25;

/** A try that failed. */
export interface FailedDelivery {
  readonly channel: string;
  readonly error: string;
  /** It won't be tried again. */
  readonly last: boolean;
}

/** Which channels are told of what. */
export function routesOf(channels: readonly Channel[]): Routes {
  const of = (event: 'raised' | 'resolved'): string[] =>
    channels.filter(({ events }) => events.includes(event)).map(({ name }) => name);
  return { raised: of('raised'), resolved: of('resolved') };
}

/**
 * Delivers what waits in the outbox for these channels, at least once: a delivery is taken, told, and
 * then marked; one whose process dies in between is due again after its pause.
 * @throws ledger_unavailable
 */
export async function deliverAlerts(
  ledger: Ledger,
  channels: readonly Channel[],
  runtime: Runtime,
): Promise<FailedDelivery[]> {
  const failed: FailedDelivery[] = [];
  const pauses: TryPauses = {
    after: (tries) => {
      const whole = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
      return Math.round(whole * (1 + runtime.random() * JITTER));
    },
    longestMs: LONGEST_PAUSE_MS * (1 + JITTER),
  };
  for (const channel of channels) {
    const taken = await ledger.write((ops) => takeDeliveries(ops, channel.name, AT_ONCE, pauses));
    for (const delivery of taken) {
      const error = await channel.send(delivery.alert, delivery.event).then(
        () => null,
        (problem: unknown) => (problem instanceof Error ? problem.message : String(problem)),
      );
      const last = delivery.tries >= MAX_TRIES;
      const failure = error === null ? null : { error, last };
      await ledger.write((ops) => endDelivery(ops, delivery, failure));
      if (failure !== null) failed.push({ channel: channel.name, ...failure });
    }
  }
  return failed;
}

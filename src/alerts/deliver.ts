import { LEVELS } from '../budget/levels.ts';
import { isSilent } from '../ledger/alert-care.ts';
import {
  endDelivery,
  takeDeliveries,
  type Alert,
  type AlertEvent,
  type TryPauses,
} from '../ledger/alerts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Runtime } from '../platform/runtime.ts';
import { DeliveryError, type Channel } from './channel.ts';
import type { Routes } from './raise.ts';

/** Deliveries of one channel in a row, at most; the next check goes on. */
const AT_ONCE = 20;
/** After so many tries a delivery is dead. */
const MAX_TRIES = 10;
/**
 * Until the second try, in ms; twice as long for each after it, up to an hour. No channel may need
 * longer than the first pause to tell one, or another monitor would take it meanwhile.
 */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** The part of a pause by which it may be longer, so that several monitors do not try at once. */
const JITTER = 0.25;
/** No delivery waits longer for its next try, in ms. */
export const LONGEST_WAIT_MS = LONGEST_PAUSE_MS * (1 + JITTER);

/** A try that failed. */
export interface FailedDelivery {
  readonly channel: string;
  readonly error: string;
  /** It won't be tried again. */
  readonly last: boolean;
}

/** Which channels are told of what. */
export function routesOf(channels: readonly Channel[]): Routes {
  return (alert, event) =>
    channels.filter((channel) => takes(channel, alert, event)).map(({ name }) => name);
}

function takes({ events, minLevel, kinds }: Channel, alert: Alert, event: AlertEvent): boolean {
  return (
    events.includes(event) &&
    LEVELS.indexOf(alert.level) >= LEVELS.indexOf(minLevel ?? 'ok') &&
    (kinds === undefined || kinds.some((kind) => kind === alert.kind))
  );
}

export interface DeliverOptions {
  /** Leaves everything in the outbox while a silence lasts. */
  readonly heedSilence?: boolean;
  /** Stops after what is told just now. */
  readonly signal?: AbortSignal;
}

/**
 * Delivers what waits in the outbox for a channel, at least once: a delivery is taken, told, and then
 * marked; one whose process dies in between is due again after its pause.
 * @throws ledger_unavailable
 */
export async function deliverAlerts(
  ledger: Ledger,
  channel: Channel,
  runtime: Runtime,
  { heedSilence = false, signal }: DeliverOptions = {},
): Promise<FailedDelivery[]> {
  const failed: FailedDelivery[] = [];
  const pauses: TryPauses = {
    after: (tries) => {
      const whole = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
      return Math.round(whole * (1 + runtime.random() * JITTER));
    },
    longestMs: LONGEST_WAIT_MS,
  };
  for (let count = 0; count < AT_ONCE && signal?.aborted !== true; count += 1) {
    // One by one: what is taken and not told yet would be due again while the ones before it are slow.
    const [delivery] = await ledger.write(function* (ops) {
      if (heedSilence && (yield* isSilent(ops))) return [];
      const quiet = channel.quietAt?.(ops.nowMs) ?? false;
      return yield* takeDeliveries(ops, channel.name, 1, pauses, quiet);
    });
    if (delivery === undefined) break;
    const problem = await channel.send(delivery.alert, delivery.event).then(
      () => null,
      (thrown: unknown) => asDeliveryError(thrown),
    );
    const last = problem !== null && (problem.final || delivery.tries >= MAX_TRIES);
    await ledger.write(function* (ops) {
      if (problem === null) return yield* endDelivery(ops, delivery, null);
      const { message: error, retryAfterMs } = problem;
      const notBeforeMs =
        retryAfterMs === null ? null : ops.nowMs + Math.min(retryAfterMs, LONGEST_PAUSE_MS);
      yield* endDelivery(ops, delivery, { error, last, notBeforeMs });
    });
    if (problem !== null) failed.push({ channel: channel.name, error: problem.message, last });
  }
  return failed;
}

function asDeliveryError(problem: unknown): DeliveryError {
  if (problem instanceof DeliveryError) return problem;
  return new DeliveryError(problem instanceof Error ? problem.message : String(problem));
}

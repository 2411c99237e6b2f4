import { LEVELS } from '../budget/levels.ts';
import { isSilent } from '../ledger/alert-care.ts';
import { takeDigest } from '../ledger/alert-digest.ts';
import {
  endDelivery,
  takeDeliveries,
  type Alert,
  type AlertEvent,
  type Delivery,
  type TryPauses,
} from '../ledger/alerts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Operations } from '../ledger/port.ts';
import type { Step } from '../ledger/steps.ts';
import type { Runtime } from '../platform/runtime.ts';
import { DeliveryError, type Channel } from './channel.ts';
import { digestOf } from './digest.ts';
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
 * Delivers what waits in the outbox for a channel, at least once: a delivery, or those of a digest, is
 * taken, told, and then marked; one whose process dies in between is due again after its pause.
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
    const deliveries = await ledger.write(function* (ops) {
      if (heedSilence && (yield* isSilent(ops))) return [];
      return yield* takeMessage(ops, channel, pauses);
    });
    const [first] = deliveries;
    if (first === undefined) break;
    const problem = await tell(channel, deliveries).then(
      () => null,
      (thrown: unknown) => asDeliveryError(thrown),
    );
    const last = problem !== null && (problem.final || first.tries >= MAX_TRIES);
    await ledger.write(function* (ops) {
      const failure = problem === null ? null : { ...failureOf(problem, ops.nowMs), last };
      for (const delivery of deliveries) yield* endDelivery(ops, delivery, failure);
    });
    if (problem !== null) failed.push({ channel: channel.name, error: problem.message, last });
  }
  return failed;
}

/**
 * What the next message tells: one delivery, or those of a digest. Not more: what is taken and not told
 * yet would be due again while the messages before it are slow.
 */
function* takeMessage(ops: Operations, channel: Channel, pauses: TryPauses): Step<Delivery[]> {
  const { name, digestMs } = channel;
  const quiet = channel.quietAt?.(ops.nowMs) ?? false;
  const one = yield* takeDeliveries(ops, name, 1, pauses, quiet || digestMs !== undefined);
  if (one.length > 0 || quiet || digestMs === undefined) return one;
  return yield* takeDigest(ops, name, digestMs, pauses);
}

/** A digest of one is an alert as any other. */
function tell(channel: Channel, deliveries: readonly Delivery[]): Promise<void> {
  const [one, another] = deliveries;
  if (one !== undefined && another === undefined) return channel.send(one.alert, one.event);
  if (channel.sendDigest !== undefined) return channel.sendDigest(digestOf(deliveries));
  throw new Error(`the channel ${channel.name} can't tell a digest`);
}

function failureOf({ message: error, retryAfterMs }: DeliveryError, nowMs: number) {
  const waitMs = retryAfterMs === null ? null : Math.min(retryAfterMs, LONGEST_PAUSE_MS);
  return { error, notBeforeMs: waitMs === null ? null : nowMs + waitMs };
}

function asDeliveryError(problem: unknown): DeliveryError {
  if (problem instanceof DeliveryError) return problem;
  return new DeliveryError(problem instanceof Error ? problem.message : String(problem));
}

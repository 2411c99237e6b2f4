import type { AlertKind } from '../budget/alert-kinds.ts';
import type { Alert, AlertEvent, AlertLevel } from '../ledger/alerts.ts';

/** A way on which alerts go out. */
export interface Channel {
  /** Its name in the outbox. */
  readonly name: string;
  /** Which events it tells. */
  readonly events: readonly AlertEvent[];
  /** The lowest level that it is told of; absent is every level. */
  readonly minLevel?: AlertLevel;
  /** The kinds that it is told of; absent is every kind. */
  readonly kinds?: readonly AlertKind[];
  /** Whether all but emergencies must wait at an instant. */
  quietAt?(atMs: number): boolean;
  /**
   * Tells one. May tell one again after a crash: its id and event are the same then.
   * @throws DeliveryError, or anything else, when it could not be told
   */
  send(alert: Alert, event: AlertEvent): Promise<void>;
  /** How long all but emergencies wait for each other, in ms; absent is not at all. */
  readonly digestMs?: number;
  /** Tells several at once, as `send` tells one; absent where it can't. */
  sendDigest?(digest: Digest): Promise<void>;
}

/** Several alerts that are told in one message. */
export interface Digest {
  /** The same for every try that tells the same. */
  readonly id: string;
  /** When the newest of it happened, in ms. */
  readonly atMs: number;
  /** Each alert once, the gravest first, those that are over last; at most 50. */
  readonly entries: readonly DigestEntry[];
  /** How many alerts were raised, or are over, with those that are not listed. */
  readonly raised: number;
  readonly resolved: number;
  /** How many alerts are not listed. */
  readonly more: number;
}

export interface DigestEntry {
  readonly alert: Alert;
  /** `resolved` also for what began since the last digest. */
  readonly event: AlertEvent;
}

/** Why something could not be told, and whether it helps to try again. */
export class DeliveryError extends Error {
  /** It was refused for good. */
  readonly final: boolean;
  /** How long the receiver asks to be left alone, in ms; null when it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, options: { final?: boolean; retryAfterMs?: number | null } = {}) {
    super(message);
    this.name = 'DeliveryError';
    this.final = options.final ?? false;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** The same for every try of the same delivery, so that a receiver can tell what it knows already. */
export function deliveryId({ id }: Alert, event: AlertEvent): string {
  return `${id}.${event}`;
}

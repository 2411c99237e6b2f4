import { invalidInput, TokenctlError } from '../budget/errors.ts';
import type { EstimatorName } from '../budget/estimate.ts';
import { requireCount } from '../budget/tokens.ts';
import type { Verdict } from '../budget/verdict.ts';
import type { Ending } from '../ledger/commands.ts';
import { findByKey, giveKey, type KeyedReservation } from '../ledger/keys.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Runtime } from '../platform/runtime.ts';
import {
  checkAiType,
  checkEstimate,
  checkName,
  checkToldName,
  checkUsage,
  errorText,
  type ReserveRequest,
  type Usage,
} from './input.ts';

export interface GuardConfig {
  readonly estimator: EstimatorName;
  /** What a token read from the cache counts, in percent of a token; from 0 to 100. */
  readonly cacheReadPercent: number;
  /** What the log says the request came through: sdk, gateway, api. */
  readonly requestType: string;
}

/** Whose reservations a caller may end: those of these AI types; null is any. */
export interface EndOptions {
  readonly aiTypes: readonly string[] | null;
}

const ANY: EndOptions = { aiTypes: null };

export type SettleUsage = Usage | { readonly unknown: true; readonly error?: unknown };

const TTL_MOST_SECONDS = 2_678_400;
const ID = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i;

/** Reserve before a call, settle or release after it. Every method may be called concurrently. */
export class Guard {
  readonly #ledger: Ledger;
  readonly #runtime: Runtime;
  readonly #config: GuardConfig;

  constructor(ledger: Ledger, runtime: Runtime, config: GuardConfig) {
    this.#ledger = ledger;
    this.#runtime = runtime;
    this.#config = config;
  }

  /**
   * Admits a call and holds its estimate in every window at once, or denies it with every reason.
   * When it resolves admitted, the reservation is durable. A ledger that can't answer denies.
   * @throws invalid_input, key_reused, reservation_ended
   */
  async reserve(request: ReserveRequest): Promise<Verdict> {
    requireRequest(request);
    const aiType = checkAiType(request.aiType);
    const model = checkName('model', request.model);
    const checked = checkEstimate(request.estimate, this.#config.estimator, model ?? undefined);
    const requestId = checkName('requestId', request.requestId);
    const key = checkName('idempotencyKey', request.idempotencyKey) ?? requestId;
    const ttlSeconds =
      request.ttlSeconds === undefined
        ? null
        : requireCount('ttlSeconds', request.ttlSeconds, 1, TTL_MOST_SECONDS);
    return this.#ledger.reserve({
      kind: 'reserve',
      id: this.#runtime.newId(),
      aiType,
      ...checked,
      model,
      requestId,
      requestType: this.#config.requestType,
      idempotencyKey: key,
      ttlSeconds,
    });
  }

  /**
   * Replaces a hold by what the call used; reported usage is never capped. Unknown usage charges the
   * hold. Settling again changes nothing; a late settle corrects an expired reservation.
   * @throws invalid_input, reservation_not_found, ledger_unavailable, ledger_busy
   */
  async settle(
    reservationId: string,
    usage: SettleUsage,
    { aiTypes }: EndOptions = ANY,
  ): Promise<Ending> {
    const id = checkId(reservationId);
    if (isUnknown(usage)) {
      const errorMessage = errorText(usage.error);
      return this.#ledger.end({
        kind: 'settle',
        ...{ id, aiTypes },
        usage: null,
        model: null,
        stopReason: null,
        errorMessage,
      });
    }
    const checked = checkUsage(usage, this.#config.cacheReadPercent);
    return this.#ledger.end({
      kind: 'settle',
      ...{ id, aiTypes },
      usage: checked,
      model: checkToldName('usage.model', usage.model),
      stopReason: checkToldName('usage.stopReason', usage.stopReason),
      errorMessage: errorText(usage.error),
    });
  }

  /**
   * Drops a hold: the provider charged nothing. Releasing again changes nothing.
   * @throws reservation_not_found, reservation_ended when it was settled, ledger_unavailable, ledger_busy
   */
  async release(
    reservationId: string,
    details?: { readonly error?: unknown } | null,
    { aiTypes }: EndOptions = ANY,
  ): Promise<Ending> {
    return this.#ledger.end({
      kind: 'release',
      id: checkId(reservationId),
      aiTypes,
      errorMessage: errorText(details?.error),
    });
  }

  /**
   * Gives a reservation a key after it was admitted, such as the id that the provider gave a batch: by
   * it any process finds the reservation again. Giving the same key again changes nothing.
   * @throws invalid_input, reservation_not_found, key_reused when either has another already,
   *   ledger_unavailable
   */
  async giveKey(reservationId: string, key: string): Promise<void> {
    const id = checkId(reservationId);
    const name = requireKey(key);
    await this.#ledger.write((ops) => giveKey(ops, id, name));
  }

  /** The reservation with this key, open or ended; null where there is none. @throws invalid_input, ledger_unavailable */
  async findByKey(key: string): Promise<KeyedReservation | null> {
    const name = requireKey(key);
    return this.#ledger.read((ops) => findByKey(ops, name));
  }

  /** The verdict that a reserve would get now; reserves nothing and logs nothing. @throws invalid_input */
  async check(request: Pick<ReserveRequest, 'aiType' | 'estimate' | 'model'>): Promise<Verdict> {
    requireRequest(request);
    const aiType = checkAiType(request.aiType);
    const checked = checkEstimate(request.estimate, this.#config.estimator, request.model);
    return this.#ledger.check({ aiType, ...checked });
  }
}

function requireRequest(request: unknown): void {
  if (typeof request === 'object' && request !== null) return;
  throw invalidInput('request', 'must be { aiType, estimate }');
}

function requireKey(value: unknown): string {
  const key = checkName('key', value);
  if (key === null) throw invalidInput('key', 'must be text');
  return key;
}

function isUnknown(usage: SettleUsage): usage is Extract<SettleUsage, { unknown: true }> {
  const given: unknown = usage;
  return (
    typeof given === 'object' && given !== null && 'unknown' in given && given.unknown === true
  );
}

/** An id as the databases write it. @throws reservation_not_found for what is none */
function checkId(value: unknown): string {
  const parts = typeof value === 'string' ? ID.exec(value.toLowerCase()) : null;
  if (parts !== null) return parts.slice(1).join('-');
  throw new TokenctlError(
    'reservation_not_found',
    'there is no such reservation: its id is verdict.reservation.id of an admitted reserve',
    { field: 'reservationId' },
  );
}

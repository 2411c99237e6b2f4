import { decide } from '../budget/decide.ts';
import { TokenctlError } from '../budget/errors.ts';
import { ownLimits } from '../budget/limits.ts';
import type { Verdict } from '../budget/verdict.ts';
import { isoTime, windowsAt } from '../budget/windows.ts';
import type { Command, EndCommand, Ending, Outcome, ReserveCommand } from './commands.ts';
import { BatchCounters } from './counters.ts';
import { planDenials, type SeenDenials } from './denials.ts';
import type { LimitsInForce } from './limits-in-force.ts';
import type { EndedLog, LogRow, NewLog, Operations, StoredRevision } from './port.ts';
import { step, type Step } from './steps.ts';

/** Due holds that one batch charges, at most. */
const EXPIRED_AT_ONCE = 256;

export interface BatchContext {
  readonly readLimits: (stored: StoredRevision | null) => LimitsInForce;
  readonly newId: () => string;
  readonly seenDenials: SeenDenials;
  /** A replay after a failure: even a key that the ledger made may have been committed. */
  readonly replay: boolean;
}

export interface BatchResult {
  /** In the order of the commands. */
  readonly outcomes: Outcome[];
  readonly seenDenials: SeenDenials;
}

/**
 * One transaction of the ledger: charge what is due, end reservations, then decide the new ones in
 * order against counts read once, and write all rows. It runs under the ledger's lock, and every
 * command in it is idempotent, so that a batch whose COMMIT got no answer can be run again.
 */
export function* runBatch(
  ops: Operations,
  commands: readonly Command[],
  context: BatchContext,
): Step<BatchResult> {
  const outcomes = new Map<Command, Outcome>();
  yield* step(ops.expireDue(EXPIRED_AT_ONCE));
  yield* endReservations(ops, commands.filter(isEnd), outcomes);
  const reserves = commands.filter((command) => command.kind === 'reserve');
  const seenDenials =
    reserves.length === 0
      ? context.seenDenials
      : yield* admitReservations(ops, reserves, context, outcomes);
  return {
    outcomes: commands.map((command) => outcomes.get(command) ?? lostOutcome(command)),
    seenDenials,
  };
}

function isEnd(command: Command): command is EndCommand {
  return command.kind !== 'reserve';
}

function lostOutcome(command: Command): never {
  throw new Error(`the batch gave no outcome for a ${command.kind}`);
}

function* endReservations(
  ops: Operations,
  commands: readonly EndCommand[],
  outcomes: Map<Command, Outcome>,
): Step<void> {
  if (commands.length === 0) return;
  const ids = new Set<string>();
  const keys = new Set<string>();
  for (const command of commands) {
    if (command.id !== null) ids.add(command.id);
    else if (command.idempotencyKey !== null) keys.add(command.idempotencyKey);
  }
  const rows = new Map<string, LogRow>();
  const idOfKey = new Map<string, string>();
  for (const row of ids.size === 0 ? [] : yield* step(ops.logsById([...ids])))
    rows.set(row.id, row);
  for (const row of keys.size === 0 ? [] : yield* step(ops.logsByKey([...keys]))) {
    rows.set(row.id, row);
    if (row.idempotencyKey !== null) idOfKey.set(row.idempotencyKey, row.id);
  }
  const ended = new Map<string, EndedLog>();
  for (const command of commands) {
    const id = command.id ?? idOfKey.get(command.idempotencyKey ?? '') ?? '';
    const row = rows.get(id);
    const result = endOne(command, row, ops.nowMs);
    outcomes.set(command, result.outcome);
    if (result.ended !== null && row !== undefined) {
      ended.set(id, result.ended);
      rows.set(id, { ...row, state: result.ended.state, totalTokens: result.ended.totalTokens });
    }
  }
  if (ended.size > 0) yield* step(ops.endLogs([...ended.values()]));
}

interface EndResult {
  readonly outcome: Outcome;
  readonly ended: EndedLog | null;
}

/**
 * Settling always records the truth: also above the reservation, after it expired, and after it was
 * released. The first settle wins; ending twice changes nothing.
 */
function endOne(command: EndCommand, row: LogRow | undefined, nowMs: number): EndResult {
  if (row === undefined || row.state === 'denied' || row.reservedTokens === 0) {
    const name = command.id ?? command.idempotencyKey ?? '';
    return refuse('reservation_not_found', `there is no reservation ${name}`, null);
  }
  if (command.kind === 'release') {
    if (row.state === 'settled') {
      return refuse(
        'reservation_ended',
        `reservation ${row.id} was settled (${String(row.totalTokens)} tokens) and can't be released`,
        'nothing needs to be done: what was reported stays charged',
      );
    }
    if (row.state === 'released') return unchanged(row, 'released');
    return end(row, 'released', nowMs, 0, 0, 0, 0, command.errorMessage, null);
  }
  if (row.state === 'settled') return unchanged(row, 'settled');
  const { usage } = command;
  if (usage !== null) {
    const { tokensIn, tokensOut, cacheCreationTokens, cacheReadTokens } = usage;
    return end(
      row,
      'settled',
      nowMs,
      tokensIn,
      tokensOut,
      cacheCreationTokens,
      cacheReadTokens,
      command.errorMessage,
      command.model,
    );
  }
  // Unknown usage: the hold. An expired one is charged that already, a released one was said to be free.
  if (row.state === 'expired') return unchanged(row, 'expired');
  if (row.state === 'released') return unchanged(row, 'released');
  return end(
    row,
    'settled',
    nowMs,
    row.reservedInputTokens,
    row.reservedTokens - row.reservedInputTokens,
    0,
    0,
    command.errorMessage ?? 'what was charged is unknown, so the hold is charged in full',
    command.model,
  );
}

function end(
  row: LogRow,
  state: 'settled' | 'released',
  atMs: number,
  tokensIn: number,
  tokensOut: number,
  cacheCreationTokens: number,
  cacheReadTokens: number,
  errorMessage: string | null,
  model: string | null,
): EndResult {
  const totalTokens = tokensIn + tokensOut;
  return {
    outcome: { kind: 'ending', ending: { id: row.id, state, charged: totalTokens } },
    ended: {
      id: row.id,
      state,
      atMs,
      tokensIn,
      tokensOut,
      totalTokens,
      cacheCreationTokens,
      cacheReadTokens,
      success: errorMessage === null,
      errorMessage,
      model,
    },
  };
}

function unchanged(row: LogRow, state: Ending['state']): EndResult {
  return {
    outcome: { kind: 'ending', ending: { id: row.id, state, charged: row.totalTokens } },
    ended: null,
  };
}

function refuse(
  code: 'reservation_not_found' | 'reservation_ended',
  message: string,
  fix: string | null,
): EndResult {
  return {
    outcome: {
      kind: 'refused',
      error: new TokenctlError(code, message, fix === null ? {} : { fix }),
    },
    ended: null,
  };
}

function* admitReservations(
  ops: Operations,
  commands: readonly ReserveCommand[],
  context: BatchContext,
  outcomes: Map<Command, Outcome>,
): Step<SeenDenials> {
  const { nowMs } = ops;
  const { limits } = context.readLimits(yield* step(ops.newestRevision()));
  const lookedUp = commands.filter((command) => command.keyGiven || context.replay);
  const byKey = new Map<string, LogRow>();
  if (lookedUp.length > 0) {
    const keys = [...new Set(lookedUp.map((command) => command.idempotencyKey))];
    for (const row of yield* step(ops.logsByKey(keys))) {
      if (row.idempotencyKey !== null) byKey.set(row.idempotencyKey, row);
    }
  }
  const windows = windowsAt(nowMs);
  const starts = [windows.month.start, windows.day.start, windows.hour.start];
  const limited = [...new Set(commands.map((command) => command.aiType))].filter(
    (aiType) => ownLimits(limits, aiType) !== null,
  );
  const rows = yield* step(ops.windows(starts, limited));
  const perMinute = limits.requestsPerMinute;
  const recent = perMinute === null ? [] : yield* step(ops.recentRequests(perMinute));
  const counters = new BatchCounters(rows, recent, nowMs);

  const admitted: NewLog[] = [];
  const denied: NewLog[] = [];
  for (const command of commands) {
    const known = byKey.get(command.idempotencyKey);
    if (known !== undefined) {
      outcomes.set(command, repeated(command, known));
      continue;
    }
    const decision = decide(limits, counters.of(command.aiType), command, nowMs);
    const expiresAtMs = nowMs + (command.ttlSeconds ?? limits.reservationTtl) * 1000;
    const id = context.newId();
    const verdict: Verdict = {
      admitted: decision.admitted,
      aiType: command.aiType,
      estimate: command.estimate,
      reasons: decision.reasons,
      retryAt: decision.retryAt,
      largestAdmissible: decision.largestAdmissible,
      reservation: decision.admitted ? { id, expiresAt: isoTime(expiresAtMs) } : null,
    };
    outcomes.set(command, { kind: 'verdict', verdict });
    const row = newLog(command, id, nowMs, decision.admitted ? expiresAtMs : null, verdict);
    if (!decision.admitted) {
      denied.push(row);
      continue;
    }
    admitted.push(row);
    counters.admit(command.aiType, command.estimate.total, command.items, nowMs);
    byKey.set(command.idempotencyKey, {
      id,
      aiType: row.aiType,
      state: row.state,
      reservedTokens: row.reservedTokens,
      reservedInputTokens: row.reservedInputTokens,
      requestItems: row.requestItems,
      totalTokens: 0,
      expiresAtMs,
      idempotencyKey: row.idempotencyKey,
    });
  }
  const plan = planDenials(denied, context.seenDenials, nowMs);
  const written = [...admitted, ...plan.rows];
  if (written.length > 0) yield* step(ops.insertLogs(written));
  for (const [id, count] of plan.additions) yield* step(ops.addDenials(id, count));
  return plan.next;
}

/** A key binds to one admission: the same request again gets the same reservation while it is open. */
function repeated(command: ReserveCommand, row: LogRow): Outcome {
  const same =
    row.aiType === command.aiType &&
    row.reservedTokens === command.estimate.total &&
    row.reservedInputTokens === command.estimate.input &&
    row.requestItems === command.items;
  if (!same) {
    return {
      kind: 'refused',
      error: new TokenctlError(
        'key_reused',
        `the idempotency key was used before, for ${String(row.reservedTokens)} tokens of ${row.aiType}`,
        { field: 'idempotencyKey', fix: 'use a new key for a new request' },
      ),
    };
  }
  if (row.state !== 'reserved') {
    return {
      kind: 'refused',
      error: new TokenctlError(
        'reservation_ended',
        `the reservation of this idempotency key has ended (${row.state})`,
        { field: 'idempotencyKey', fix: 'use a new key for a new request' },
      ),
    };
  }
  return {
    kind: 'verdict',
    verdict: {
      admitted: true,
      aiType: command.aiType,
      estimate: command.estimate,
      reasons: [],
      retryAt: null,
      largestAdmissible: null,
      reservation: { id: row.id, expiresAt: isoTime(row.expiresAtMs) },
    },
  };
}

function newLog(
  command: ReserveCommand,
  id: string,
  atMs: number,
  expiresAtMs: number | null,
  verdict: Verdict,
): NewLog {
  const admitted = expiresAtMs !== null;
  return {
    id,
    aiType: command.aiType,
    state: admitted ? 'reserved' : 'denied',
    atMs,
    requestId: command.requestId,
    idempotencyKey: admitted ? command.idempotencyKey : null,
    model: command.model,
    requestType: command.requestType,
    reservedTokens: admitted ? command.estimate.total : 0,
    reservedInputTokens: admitted ? command.estimate.input : 0,
    requestItems: command.items,
    expiresAtMs,
    tokensIn: 0,
    tokensOut: 0,
    totalTokens: 0,
    success: admitted,
    errorMessage: admitted ? null : (verdict.reasons[0]?.message ?? null),
    deniedCount: 1,
    verdict: admitted ? null : JSON.stringify(verdict),
  };
}

import { decide, largestAdmissible } from '../budget/decide.ts';
import { TokenctlError } from '../budget/errors.ts';
import { ownLimits } from '../budget/limits.ts';
import type { Verdict } from '../budget/verdict.ts';
import { isoTime, windowsAt } from '../budget/windows.ts';
import type {
  Command,
  EndCommand,
  Ending,
  Outcome,
  ReserveCommand,
  SettledUsage,
} from './commands.ts';
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
  /** A replay after a failure: any of its commands may have been committed. */
  readonly replay: boolean;
  /** After a wait that was too long: rows that foreign transactions have locked are left out. */
  readonly careful: boolean;
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
  // PostgreSQL has done so as the transaction began, which saves a round trip.
  if (ops.kind === 'sqlite') yield* step(ops.expireDue(EXPIRED_AT_ONCE));
  yield* endReservations(ops, commands.filter(isEnd), context.careful, outcomes);
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
  careful: boolean,
  outcomes: Map<Command, Outcome>,
): Step<void> {
  const rest = yield* endOpen(ops, commands, careful, outcomes);
  if (rest.length === 0) return;
  const rows = new Map<string, LogRow>();
  const ids = [...new Set(rest.map(({ id }) => id))];
  for (const row of yield* step(ops.logsById(ids))) rows.set(row.id, row);
  const ended = new Map<string, EndedLog>();
  for (const command of rest) {
    const { id } = command;
    const row = rows.get(id);
    const result = endOne(command, row);
    outcomes.set(command, result.outcome);
    if (result.ended !== null && row !== undefined) {
      ended.set(id, result.ended);
      rows.set(id, { ...row, state: result.ended.state, charged: result.ended.totalTokens });
    }
  }
  if (ended.size === 0) return;
  const done = new Set(yield* step(ops.endLogs([...ended.values()], careful)));
  for (const command of rest) {
    if (ended.has(command.id) && !done.has(command.id)) outcomes.set(command, { kind: 'locked' });
  }
}

/**
 * Ends what is still open in one statement, without reading it first: the usual case. What is left
 * needs a look at its row: unknown usage, a second end, one that expired, an id that is none, a caller who may
 * not end everybody's.
 */
function* endOpen(
  ops: Operations,
  commands: readonly EndCommand[],
  careful: boolean,
  outcomes: Map<Command, Outcome>,
): Step<EndCommand[]> {
  const open = new Map<string, { command: EndCommand; log: EndedLog }>();
  for (const command of commands) {
    const log = open.has(command.id) ? null : openEnding(command);
    if (log !== null) open.set(log.id, { command, log });
  }
  if (open.size === 0) return [...commands];
  const logs = [...open.values()].map(({ log }) => log);
  for (const id of yield* step(ops.endOpenLogs(logs, careful))) {
    const ended = open.get(id);
    if (ended !== undefined) outcomes.set(ended.command, endingOf(ended.log));
  }
  return commands.filter((command) => !outcomes.has(command));
}

/** How an open reservation ends, as far as the command alone says; null where that takes its row. */
function openEnding(command: EndCommand): EndedLog | null {
  // Whose reservation it is stands in its row.
  if ((command.aiTypes ?? null) !== null) return null;
  if (command.kind === 'release') {
    return endedLog(command.id, 'released', NO_USAGE, command);
  }
  return command.usage === null ? null : endedLog(command.id, 'settled', command.usage, command);
}

const NO_USAGE: SettledUsage = {
  tokensIn: 0,
  tokensOut: 0,
  cacheCreationTokens: 0,
  cacheReadTokens: 0,
};

/** What is logged with an ending. */
interface EndNotes {
  readonly errorMessage: string | null;
  readonly model?: string | null;
  readonly stopReason?: string | null;
}

function endedLog(
  id: string,
  state: EndedLog['state'],
  usage: SettledUsage,
  command: EndNotes,
): EndedLog {
  const { tokensIn, tokensOut, cacheCreationTokens, cacheReadTokens } = usage;
  return {
    id,
    state,
    tokensIn,
    tokensOut,
    totalTokens: tokensIn + tokensOut,
    cacheCreationTokens,
    cacheReadTokens,
    errorMessage: command.errorMessage,
    model: command.model ?? null,
    stopReason: command.stopReason ?? null,
  };
}

function endingOf({ id, state, totalTokens }: EndedLog): Outcome {
  return { kind: 'ending', ending: { id, state, charged: totalTokens } };
}

interface EndResult {
  readonly outcome: Outcome;
  readonly ended: EndedLog | null;
}

/**
 * Settling always records the truth: also above the reservation, after it expired, and after it was
 * released. The first settle wins; ending twice changes nothing.
 */
function endOne(command: EndCommand, row: LogRow | undefined): EndResult {
  const { aiTypes = null } = command;
  const foreign = row !== undefined && aiTypes !== null && !aiTypes.includes(row.aiType);
  if (row === undefined || foreign || row.state === 'denied' || row.reservedTokens === 0) {
    return refuse('reservation_not_found', `there is no reservation ${command.id}`, null);
  }
  if (command.kind === 'release') {
    if (row.state === 'settled') {
      return refuse(
        'reservation_ended',
        `reservation ${row.id} was settled (${String(row.charged)} tokens) and can't be released`,
        'nothing needs to be done: what was reported stays charged',
      );
    }
    if (row.state === 'released') return unchanged(row, 'released');
    return end(row, 'released', NO_USAGE, command);
  }
  if (row.state === 'settled') return unchanged(row, 'settled');
  if (command.usage !== null) return end(row, 'settled', command.usage, command);
  // Unknown usage: the hold. An expired one is charged that already, a released one was said to be free.
  if (row.state === 'expired') return unchanged(row, 'expired');
  if (row.state === 'released') return unchanged(row, 'released');
  const hold: SettledUsage = {
    ...NO_USAGE,
    tokensIn: row.reservedInputTokens,
    tokensOut: row.reservedTokens - row.reservedInputTokens,
  };
  const errorMessage =
    command.errorMessage ?? 'what was charged is unknown, so the hold is charged in full';
  return end(row, 'settled', hold, { errorMessage, model: command.model });
}

function end(
  row: LogRow,
  state: EndedLog['state'],
  usage: SettledUsage,
  command: EndNotes,
): EndResult {
  const ended = endedLog(row.id, state, usage, command);
  return { outcome: endingOf(ended), ended };
}

function unchanged(row: LogRow, state: Ending['state']): EndResult {
  return {
    outcome: { kind: 'ending', ending: { id: row.id, state, charged: row.charged } },
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
  const known = yield* knownReservations(ops, commands, context.replay);
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
    const { aiType, estimate } = command;
    const before = known.get(command.id) ?? known.get(keyOf(command));
    if (before !== undefined) {
      const largest = largestAdmissible(limits, counters.of(aiType), aiType, nowMs);
      outcomes.set(command, repeated(command, before, largest));
      continue;
    }
    const decision = decide(limits, counters.of(aiType), command, nowMs);
    if (!decision.admitted) {
      const { reasons, retryAt, largestAdmissible: most } = decision;
      const verdict = verdictOf(command, reasons, retryAt, most, null);
      outcomes.set(command, { kind: 'verdict', verdict });
      // A denial binds nothing: made again, it is another row.
      denied.push(deniedLog(command, context.newId(), nowMs, verdict));
      continue;
    }
    const expiresAtMs = nowMs + (command.ttlSeconds ?? limits.reservationTtl) * 1000;
    counters.admit(aiType, estimate.total, command.items, nowMs);
    const largest = largestAdmissible(limits, counters.of(aiType), aiType, nowMs);
    const reservation = { id: command.id, expiresAt: isoTime(expiresAtMs) };
    const verdict = verdictOf(command, [], null, largest, reservation);
    outcomes.set(command, { kind: 'verdict', verdict });
    const row = reservedLog(command, nowMs, expiresAtMs);
    admitted.push(row);
    if (command.idempotencyKey !== null)
      known.set(keyOf(command), { ...row, charged: 0, expiresAtMs });
  }
  const plan = planDenials(denied, context.seenDenials, nowMs);
  const written = [...admitted, ...plan.rows];
  if (written.length > 0) yield* step(ops.insertLogs(written));
  for (const [id, count] of plan.additions) yield* step(ops.addDenials(id, count));
  return plan.next;
}

/** In the same map as ids, which are UUIDs: a key can't be mistaken for one. */
function keyOf({ id, idempotencyKey }: ReserveCommand): string {
  return idempotencyKey === null ? id : `key ${idempotencyKey}`;
}

/** Reservations that these commands made before, by id and by key. */
function* knownReservations(
  ops: Operations,
  commands: readonly ReserveCommand[],
  replay: boolean,
): Step<Map<string, LogRow>> {
  const known = new Map<string, LogRow>();
  const keys = [...new Set(commands.flatMap(({ idempotencyKey }) => idempotencyKey ?? []))];
  for (const row of keys.length === 0 ? [] : yield* step(ops.logsByKey(keys))) {
    known.set(`key ${row.idempotencyKey ?? ''}`, row);
  }
  const ids = replay ? commands.map(({ id }) => id) : [];
  for (const row of ids.length === 0 ? [] : yield* step(ops.logsById(ids))) known.set(row.id, row);
  return known;
}

/** A key binds to one admission: the same request again gets the same reservation while it is open. */
function repeated(command: ReserveCommand, row: LogRow, largest: number): Outcome {
  const same =
    row.aiType === command.aiType &&
    row.reservedTokens === command.estimate.total &&
    row.reservedInputTokens === command.estimate.input &&
    row.requestItems === command.items;
  const refused = (code: 'key_reused' | 'reservation_ended', message: string): Outcome => ({
    kind: 'refused',
    error: new TokenctlError(code, message, {
      field: 'idempotencyKey',
      fix: 'use a new key for a new request',
    }),
  });
  if (!same) {
    return refused(
      'key_reused',
      `the idempotency key was used before, for ${String(row.reservedTokens)} tokens of ${row.aiType}`,
    );
  }
  if (row.state !== 'reserved') {
    return refused(
      'reservation_ended',
      `the reservation of this idempotency key has ended (${row.state})`,
    );
  }
  const reservation = { id: row.id, expiresAt: isoTime(row.expiresAtMs) };
  return { kind: 'verdict', verdict: verdictOf(command, [], null, largest, reservation) };
}

function verdictOf(
  { aiType, estimate }: ReserveCommand,
  reasons: Verdict['reasons'],
  retryAt: string | null,
  largest: number,
  reservation: Verdict['reservation'],
): Verdict {
  return {
    admitted: reservation !== null,
    aiType,
    estimate,
    reasons,
    retryAt,
    largestAdmissible: largest,
    reservation,
  };
}

function reservedLog(command: ReserveCommand, atMs: number, expiresAtMs: number): NewLog {
  const { estimate, idempotencyKey } = command;
  return newLog(command, command.id, atMs, {
    state: 'reserved',
    idempotencyKey,
    reservedTokens: estimate.total,
    reservedInputTokens: estimate.input,
    expiresAtMs,
    success: true,
    errorMessage: null,
    verdict: null,
  });
}

function deniedLog(command: ReserveCommand, id: string, atMs: number, verdict: Verdict): NewLog {
  return newLog(command, id, atMs, {
    state: 'denied',
    idempotencyKey: null,
    reservedTokens: 0,
    reservedInputTokens: 0,
    expiresAtMs: null,
    success: false,
    errorMessage: verdict.reasons[0]?.message ?? null,
    verdict: JSON.stringify(verdict),
  });
}

type Differing =
  | 'state'
  | 'idempotencyKey'
  | 'reservedTokens'
  | 'reservedInputTokens'
  | 'expiresAtMs'
  | 'success'
  | 'errorMessage'
  | 'verdict';

/** Each field by name, as spreading objects of this size is slow, and every reserve makes one. */
function newLog(
  command: ReserveCommand,
  id: string,
  atMs: number,
  differing: Pick<NewLog, Differing>,
): NewLog {
  return {
    id,
    aiType: command.aiType,
    state: differing.state,
    atMs,
    requestId: command.requestId,
    idempotencyKey: differing.idempotencyKey,
    model: command.model,
    requestType: command.requestType,
    reservedTokens: differing.reservedTokens,
    reservedInputTokens: differing.reservedInputTokens,
    requestItems: command.items,
    expiresAtMs: differing.expiresAtMs,
    tokensIn: 0,
    tokensOut: 0,
    totalTokens: 0,
    success: differing.success,
    errorMessage: differing.errorMessage,
    deniedCount: 1,
    verdict: differing.verdict,
  };
}

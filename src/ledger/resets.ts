import { TokenctlError } from '../budget/errors.ts';
import { WINDOW_KINDS, windowsAt, type WindowKind } from '../budget/windows.ts';
import type { NewAdjustment, Operations, WindowRow } from './port.ts';
import { step, type Step } from './steps.ts';

/** Resets lower usage by adjustments: holds, rates and history stay, and undo appends the opposite. */

/** Due holds that a reset charges first, at most. */
const DUE_AT_ONCE = 10_000;

export interface ResetRequest {
  /** Empty resets everything: the global scope and every AI type. */
  readonly aiTypes: readonly string[];
  readonly window: WindowKind | 'all';
  /** What the usage becomes, in tokens; only for one AI type, else 0. Never raises it. */
  readonly toTokens?: number;
  readonly actor: string | null;
  readonly reason: string;
  readonly dryRun: boolean;
}

/** One window before and after. Amounts are used tokens; holds are not reset. */
export interface ResetChange {
  /** 'global' or an AI type. */
  readonly scope: string;
  readonly window: WindowKind;
  readonly start: string;
  readonly before: number;
  readonly after: number;
  readonly held: number;
  readonly requestsBefore: number;
  readonly requestsAfter: number;
}

export interface ResetResult {
  /** What `reset --undo` takes; null for a dry run, or when there was nothing to change. */
  readonly id: number | null;
  readonly changes: readonly ResetChange[];
}

/** Resets the current month, day or hour (all: the three), of everything or of some AI types. */
export function* resetUsage(ops: Operations, request: ResetRequest): Step<ResetResult> {
  // A charge that a foreign transaction has lowered and not committed would be taken, and then fall.
  if (!request.dryRun) yield* step(ops.lockLogs());
  // What is due shows as used, so it is charged before and not after the reset.
  yield* step(ops.expireDue(DUE_AT_ONCE));
  const current = windowsAt(ops.nowMs);
  const kinds = request.window === 'all' ? WINDOW_KINDS : [request.window];
  const starts = kinds.map((kind) => current[kind].start);
  const rows = yield* step(ops.windows(starts, null));
  const chosen = rows.filter(
    (row) =>
      row.aiType !== null && (request.aiTypes.length === 0 || request.aiTypes.includes(row.aiType)),
  );
  const lowered: Lowered[] = chosen.map((row) => lower(row, request.toTokens ?? 0));
  for (const kind of kinds) {
    const global = rows.find((row) => row.aiType === null && row.kind === kind);
    if (global === undefined) continue;
    const parts = lowered.filter(({ row }) => row.kind === kind && row.aiType !== null);
    lowered.push(request.aiTypes.length === 0 ? lower(global, 0) : lowerBy(global, parts));
  }
  const changing = lowered.filter(({ by }) => by.used > 0 || by.requests > 0);
  const changes = changing.map(({ row, by }) => changeOf(row, by)).toSorted(byScopeAndWindow);
  if (request.dryRun || changing.length === 0) return { id: null, changes };
  const id = (yield* step(ops.newestResetId())) + 1;
  const adjustments = changing.map(({ row, by }): NewAdjustment => ({
    kind: 'reset',
    resetId: id,
    aiType: row.aiType,
    windowKind: row.kind,
    windowStart: row.start,
    tokensIn: -by.tokensIn,
    tokensOut: -by.tokensOut,
    used: -by.used,
    requests: -by.requests,
    actor: request.actor,
    reason: request.reason,
    atMs: ops.nowMs,
  }));
  yield* step(ops.insertAdjustments(adjustments));
  return { id, changes };
}

interface Amounts {
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly requests: number;
}

interface Lowered {
  readonly row: WindowRow;
  readonly by: Amounts;
}

function lower(row: WindowRow, to: number): Lowered {
  if (to >= row.used && to > 0)
    return { row, by: { tokensIn: 0, tokensOut: 0, used: 0, requests: 0 } };
  const kept = (tokens: number): number =>
    row.used === 0 ? 0 : Math.floor((tokens * to) / row.used);
  return {
    row,
    by: {
      tokensIn: row.tokensIn - kept(row.tokensIn),
      tokensOut: row.tokensOut - kept(row.tokensOut),
      used: row.used - to,
      requests: to === 0 ? row.requests + row.requestsReset : 0,
    },
  };
}

/** The global window falls by what the AI types' windows fall. */
function lowerBy(row: WindowRow, parts: readonly Lowered[]): Lowered {
  const sum = (of: (amounts: Amounts) => number): number =>
    parts.reduce((total, { by }) => total + of(by), 0);
  return {
    row,
    by: {
      tokensIn: Math.min(
        row.tokensIn,
        sum((by) => by.tokensIn),
      ),
      tokensOut: Math.min(
        row.tokensOut,
        sum((by) => by.tokensOut),
      ),
      used: Math.min(
        row.used,
        sum((by) => by.used),
      ),
      requests: Math.min(
        row.requests + row.requestsReset,
        sum((by) => by.requests),
      ),
    },
  };
}

function changeOf(row: WindowRow, by: Amounts): ResetChange {
  const requests = row.requests + row.requestsReset;
  return {
    scope: row.aiType ?? 'global',
    window: row.kind,
    start: row.start,
    before: row.used,
    after: row.used - by.used,
    held: row.held,
    requestsBefore: requests,
    requestsAfter: requests - by.requests,
  };
}

/** Global first, then by AI type; of each the month, the day, the hour. */
function byScopeAndWindow(a: ResetChange, b: ResetChange): number {
  if (a.scope === b.scope) return WINDOW_KINDS.indexOf(a.window) - WINDOW_KINDS.indexOf(b.window);
  if (a.scope === 'global') return -1;
  return b.scope === 'global' || a.scope > b.scope ? 1 : -1;
}

export interface UndoRequest {
  readonly id: number;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly dryRun: boolean;
}

/**
 * Gives back what a reset took, in its original windows, less what later corrections returned.
 * @throws reset_not_found, reset_undone
 */
export function* undoReset(ops: Operations, request: UndoRequest): Step<ResetResult> {
  // A correction that is not committed would be given back once more.
  if (!request.dryRun) yield* step(ops.lockLogs());
  const taken = yield* step(ops.resetAdjustments(request.id));
  if (taken.length === 0) {
    throw new TokenctlError('reset_not_found', `there is no reset ${String(request.id)}`, {
      fix: 'tokenctl reset --list',
    });
  }
  if (taken.some(({ kind }) => kind === 'undo')) {
    throw new TokenctlError('reset_undone', `reset ${String(request.id)} was undone already`, {
      fix: 'tokenctl reset --list',
    });
  }
  const sums = new Map<string, NewAdjustment>();
  for (const part of taken) {
    const key = `${part.aiType ?? ''} ${part.windowStart}`;
    const sum = sums.get(key);
    sums.set(key, {
      kind: 'undo',
      resetId: request.id,
      aiType: part.aiType,
      windowKind: part.windowKind,
      windowStart: part.windowStart,
      tokensIn: (sum?.tokensIn ?? 0) - part.tokensIn,
      tokensOut: (sum?.tokensOut ?? 0) - part.tokensOut,
      used: (sum?.used ?? 0) - part.used,
      requests: (sum?.requests ?? 0) - part.requests,
      actor: request.actor,
      reason: request.reason,
      atMs: ops.nowMs,
    });
  }
  const given = [...sums.values()];
  const starts = [...new Set(given.map(({ windowStart }) => windowStart))];
  const rows = yield* step(ops.windows(starts, null));
  const changes = given.flatMap((adjustment): ResetChange[] => {
    const row = rows.find(
      ({ aiType, start }) => aiType === adjustment.aiType && start === adjustment.windowStart,
    );
    if (row === undefined) return [];
    return [
      changeOf(row, { ...adjustment, used: -adjustment.used, requests: -adjustment.requests }),
    ];
  });
  changes.sort(byScopeAndWindow);
  if (request.dryRun) return { id: null, changes };
  yield* step(ops.insertAdjustments(given));
  return { id: request.id, changes };
}

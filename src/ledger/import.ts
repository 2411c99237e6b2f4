import { invalidInput } from '../budget/errors.ts';
import { isoTime } from '../budget/windows.ts';
import type { Ledger } from './ledger.ts';
import type { NewLog, Operations } from './port.ts';
import { step, type Step } from './steps.ts';

/** One call of a usage log. Tokens are whole numbers from 0 to 10^12. */
export interface ImportRow {
  readonly aiType: string;
  readonly atMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly model: string | null;
  readonly requestId: string | null;
  readonly success: boolean;
}

/** Rows in one transaction: admissions go on between two of them. */
const CHUNK = 500;

/**
 * Adds the rows that are not known yet. A row is known by AI type, time, input, output, and its
 * number among equal ones, so that the same file adds nothing again, and a grown one what is new.
 */
export async function importRows(
  ledger: Ledger,
  rows: readonly ImportRow[],
  newId: () => string,
  onProgress: (done: number) => void,
): Promise<{ added: number; known: number }> {
  // Judged before anything is added: what follows commits in chunks.
  const nowMs = await ledger.read(function* (ops): Step<number> {
    return ops.nowMs;
  });
  refuseFuture(rows, nowMs);
  const occurrences = new Map<string, number>();
  let added = 0;
  for (let first = 0; first < rows.length; first += CHUNK) {
    const logs = rows.slice(first, first + CHUNK).map((row) => newLog(row, occurrences, newId()));
    added += await ledger.write((ops) => insertNew(ops, logs));
    onProgress(Math.min(first + CHUNK, rows.length));
  }
  return { added, known: rows.length - added };
}

function refuseFuture(rows: readonly ImportRow[], nowMs: number): void {
  const late = rows.find(({ atMs }) => atMs > nowMs);
  if (late !== undefined) {
    throw invalidInput('timestamp', `${isoTime(late.atMs)} lies in the future`);
  }
}

function* insertNew(ops: Operations, logs: readonly NewLog[]): Step<number> {
  const keys = logs.flatMap(({ idempotencyKey }) => idempotencyKey ?? []);
  const known = new Set(
    (yield* step(ops.logsByKey(keys))).map(({ idempotencyKey }) => idempotencyKey),
  );
  const fresh = logs.filter(({ idempotencyKey }) => !known.has(idempotencyKey));
  yield* step(ops.insertLogs(fresh));
  return fresh.length;
}

function newLog(row: ImportRow, occurrences: Map<string, number>, id: string): NewLog {
  const { aiType, atMs, inputTokens, outputTokens } = row;
  const equal = `import:${aiType}:${String(atMs)}:${String(inputTokens)}:${String(outputTokens)}`;
  const occurrence = (occurrences.get(equal) ?? 0) + 1;
  occurrences.set(equal, occurrence);
  return {
    id,
    aiType,
    state: 'settled',
    atMs,
    requestId: row.requestId,
    idempotencyKey: `${equal}:${String(occurrence)}`,
    model: row.model,
    requestType: 'import',
    reservedTokens: 0,
    reservedInputTokens: 0,
    requestItems: 1,
    expiresAtMs: null,
    tokensIn: inputTokens,
    tokensOut: outputTokens,
    totalTokens: inputTokens + outputTokens,
    success: row.success,
    errorMessage: null,
    deniedCount: 1,
    verdict: null,
  };
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TOKENS, type Budget, type Contender } from './contender.ts';

const PROCESSES = 4;
const REFUSALS_EACH = 5;
const LIMIT = 50_000;
const WITHIN_MS = 60_000;

/** What became of a budget that several processes used up, in tokens. */
export interface Exhaustion {
  /** Admitted above the limit; for a memory store, of all processes together. */
  readonly over: number;
  /** How far the counter stands above what was admitted. */
  readonly chargedForRefused: number;
  /** Calls that got no answer, and the first error. */
  readonly failed: number;
  readonly error: string | null;
}

/** Four processes ask one budget of 50,000 tokens until each of their callers was refused five times. */
export async function exhaust(contender: Contender, place: string): Promise<Exhaustion> {
  await contender.create(place, LIMIT);
  const children: ChildProcess[] = [];
  try {
    for (let index = 0; index < PROCESSES; index += 1) {
      children.push(worker(contender, place));
    }
    // All are ready before any begins.
    await Promise.all(children.map((child) => message<'ready'>(child)));
    const reports = await Promise.all(
      children.map((child) => {
        child.send('begin');
        return message<WorkerReport>(child);
      }),
    );
    const sum = (key: 'admitted' | 'failed' | 'counted'): number =>
      reports.reduce((total, report) => total + report[key], 0);
    const admitted = sum('admitted') * TOKENS;
    const counted =
      contender.store === 'memory' ? sum('counted') : await countedIn(contender, place);
    return {
      over: admitted - LIMIT,
      chargedForRefused: counted - admitted,
      failed: sum('failed'),
      error: reports.find(({ error }) => error !== null)?.error ?? null,
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

function worker({ name }: Contender, place: string): ChildProcess {
  return fork(join(import.meta.dirname, '../peer-worker.ts'), [name, place, String(LIMIT)], {
    execArgv: ['--import', 'tsx'],
  });
}

/** A worker's next message. @throws when it ends instead, or says nothing in time */
async function message<T>(child: ChildProcess): Promise<T> {
  const limit = AbortSignal.timeout(2 * WITHIN_MS);
  const ended = once(child, 'exit', { signal: limit }).then(() => {
    throw new Error('a worker ended without its report');
  });
  const [sent] = (await Promise.race([once(child, 'message', { signal: limit }), ended])) as [T];
  return sent;
}

async function countedIn(contender: Contender, place: string): Promise<number> {
  const budget = await contender.open(place, LIMIT);
  try {
    return await budget.counted();
  } finally {
    await budget.close();
  }
}

export interface WorkerReport {
  readonly admitted: number;
  readonly failed: number;
  readonly error: string | null;
  /** What this process's budget counted when it was done. */
  readonly counted: number;
}

/** One process's part: its callers ask until each was refused five times. */
export async function useUp(budget: Budget, callers: number): Promise<WorkerReport> {
  const start = performance.now();
  let [admitted, failed] = [0, 0];
  let error: string | null = null;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      let refused = 0;
      while (refused < REFUSALS_EACH) {
        if (performance.now() - start > WITHIN_MS) throw new Error('the budget was not used up');
        try {
          const admission = await budget.admit();
          if (admission === null) refused += 1;
          else admitted += 1;
          if (admission?.settle !== undefined) await admission.settle();
        } catch (cause) {
          failed += 1;
          error ??= String(cause);
        }
      }
    }),
  );
  return { admitted, failed, error, counted: await budget.counted() };
}

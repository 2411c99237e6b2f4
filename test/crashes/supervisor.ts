/** Keeps workers alive, kills them, and starts them again at once. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { App } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { startScript } from '../support/processes.ts';
import { Journals, type UnfinishedCall } from './journal.ts';
import type { Death } from './plan.ts';

const script = fileURLToPath(new URL('worker.mjs', import.meta.url));

/** Calls that one worker has under way at once. */
export const CALLERS = 3;
/** The longest that a worker may take to open, and then to come to the point of its death, in ms. */
const LIFE_MS = 30_000;
/** Workers that failed by themselves, after which a run is given up. */
const FAILURES = 5;

export interface Lives {
  /** The deaths that were died, as planned. */
  readonly died: Death[];
  /** Workers that ended otherwise, and what they said. */
  readonly failures: string[];
  readonly journals: Journals;
}

export interface LivesOptions {
  readonly target: DatabaseTarget;
  /** Where the journals are written. */
  readonly directory: string;
  readonly deaths: readonly Death[];
  /** Workers that live at the same time; every second one reserves with keys. */
  readonly processes: number;
}

/** Lives through all of the deaths. */
export async function liveAndDie(options: LivesOptions): Promise<Lives> {
  const lives: Lives = { died: [], failures: [], journals: new Journals() };
  const numbered = options.deaths.entries();
  const lane = async (keyed: boolean): Promise<void> => {
    let unfinished: UnfinishedCall[] = [];
    for (const [life, death] of numbered) {
      const journal = join(options.directory, `${life}.journal`);
      const failure = await live({ ...options, journal, keyed, unfinished, death });
      unfinished = lives.journals.read(journal, unfinished);
      if (failure === null) lives.died.push(death);
      else lives.failures.push(`worker ${life} (${death.at}): ${failure}`);
      if (lives.failures.length >= FAILURES) return;
    }
  };
  await Promise.all(Array.from({ length: options.processes }, (_, at) => lane(at % 2 === 1)));
  return lives;
}

interface Life extends LivesOptions {
  readonly journal: string;
  readonly keyed: boolean;
  readonly unfinished: readonly UnfinishedCall[];
  readonly death: Death;
}

/** One worker from start to death; what went wrong, or null. */
async function live({ target, journal, keyed, unfinished, death }: Life): Promise<string | null> {
  const argument = {
    databaseUrl: target.url,
    ...{ journal, keyed, unfinished, callers: CALLERS },
    death: death.at === 'random' ? null : death,
  };
  const { child, exited, errors } = startScript(script, argument);
  const ready = new Promise((resolve) => child.stdout.once('data', resolve));
  const late = new AbortController();
  const timeUp = sleep(LIFE_MS, 'late', { signal: late.signal }).catch(() => 'in time');
  try {
    const random = death.at === 'random';
    const awaited = random ? death.after === 'ready' && Promise.race([ready, exited]) : exited;
    if ((await Promise.race([awaited, timeUp])) === 'late') {
      return `did not come so far within ${LIFE_MS} ms`;
    }
    if (random) await Promise.race([sleep(death.delayMs), exited]);
    const alone = child.exitCode ?? (random ? child.signalCode : null);
    if (alone !== null) return `ended by itself (${alone}): ${errors()}`;
    return null;
  } finally {
    late.abort();
    child.kill('SIGKILL');
    await exited;
  }
}

/** How often it looks whether there is room, in ms. */
const ROOM_EVERY_MS = 200;

export interface Room {
  readonly resets: () => number;
  readonly stop: () => Promise<void>;
}

/**
 * Resets usage whenever half of the budget is used, so that calls are admitted and denied all the
 * time. Nothing else lowers usage, and a reset never raises it.
 */
export function keepRoom(app: App, limit: number): Room {
  const stopping = new AbortController();
  let resets = 0;
  const working = (async () => {
    while (!stopping.signal.aborted) {
      const { windows } = await app.status();
      if (windows.some(({ used }) => used >= limit / 2)) {
        const reason = 'room for more calls';
        await app.reset({ aiTypes: [], window: 'all', actor: 'test', reason, dryRun: false });
        resets += 1;
      }
      await sleep(ROOM_EVERY_MS, null, { signal: stopping.signal }).catch(() => null);
    }
  })();
  working.catch(() => undefined);
  return {
    resets: () => resets,
    stop() {
      stopping.abort();
      return working;
    },
  };
}

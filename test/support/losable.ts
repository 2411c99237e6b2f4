/** A database that a test takes away and gives back. */
import { existsSync, renameSync } from 'node:fs';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { startProxy } from './postgres-proxy.ts';

export interface Losable {
  /** How a command line names it. */
  readonly url: string;
  readonly lose: () => void;
  readonly giveBack: () => void;
}

/** An SQLite file is moved away, with what belongs to it; a server refuses and cuts connections. */
export async function losable(target: DatabaseTarget): Promise<Losable> {
  if (target.kind === 'postgresql') {
    const proxy = await startProxy(target);
    return {
      url: proxy.target.url,
      lose: () => {
        proxy.mode = 'refuses';
        proxy.cut();
      },
      giveBack: () => {
        proxy.mode = 'passes';
      },
    };
  }
  const move = (from: string, to: string): void => {
    for (const end of ['', '-wal', '-shm']) {
      if (existsSync(from + end)) renameSync(from + end, to + end);
    }
  };
  return {
    url: target.url,
    lose: () => move(target.url, `${target.url}.away`),
    giveBack: () => move(`${target.url}.away`, target.url),
  };
}

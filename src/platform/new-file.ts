import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** A file that is written beside its place, and put there only when it is whole. */
export interface NewFile {
  /** Where it is written. */
  readonly path: string;
  /** Puts it in its place, on the disk to stay. */
  keep(): void;
  /** Removes what was written, and what SQLite left beside it. */
  discard(): void;
}

/**
 * Starts a file for `place`. Throws Node's own error when it can't be made there.
 * @param mode its permissions, such as 0o600
 */
export function startFile(place: string, id: string, mode: number): NewFile {
  const path = `${place}.part-${id}`;
  closeSync(openSync(path, 'wx', mode));
  chmodSync(path, mode);
  return {
    path,
    keep() {
      sync(path, 'r+');
      renameSync(path, place);
      // Windows can't open a directory.
      try {
        sync(dirname(place), 'r');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      }
    },
    discard() {
      for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
    },
  };
}

function sync(path: string, flags: string): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

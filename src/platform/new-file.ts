import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

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

/** Writes a small file, whole or not at all, in the place of one that may be there; makes its directory. */
export function replaceFile(place: string, text: string, id: string, mode: number): void {
  mkdirSync(dirname(place), { recursive: true });
  const file = startFile(place, id, mode);
  try {
    writeFileSync(file.path, text);
    file.keep();
  } catch (error) {
    file.discard();
    throw error;
  }
}

export function removeFile(place: string): void {
  rmSync(place, { force: true });
}

const STALE_MS = 86_400_000;
/** What follows `.part-`: the id, and what SQLite adds to its files' names. */
const PART = /^[0-9a-f-]{36}(-journal|-wal|-shm)?$/;

/**
 * Removes what killed processes left of files for `place`: what nobody has written to for a day. What
 * this user may not see or remove stays.
 */
export function removeStale(place: string, nowMs: number): void {
  const start = `${basename(place)}.part-`;
  try {
    for (const name of readdirSync(dirname(place))) {
      if (!name.startsWith(start) || !PART.test(name.slice(start.length))) continue;
      const path = join(dirname(place), name);
      const writtenMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
      if (nowMs - writtenMs > STALE_MS) rmSync(path, { force: true });
    }
  } catch (error) {
    if (!('code' in (error as object))) throw error;
  }
}

function sync(path: string, flags: string): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

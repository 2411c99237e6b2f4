import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export interface Rotation {
  /** A file that a line would make longer is put aside first. */
  readonly maxBytes: number;
  /** Files that are put aside: `NAME.1.json` is the newest. What is older is removed. */
  readonly kept: number;
}

/**
 * Appends one line to a file that others may append to as well, and makes it durable; makes the file
 * and its directory. A line that a full disk cut before is ended first. The file is opened for each
 * line, so that it may be moved away meanwhile.
 *
 * One process at a time rotates, by a lock file. A line never waits for it longer than LONGEST_WAIT_MS:
 * without the lock it is appended all the same, whatever the file's size.
 */
export async function appendLine(path: string, line: string, rotation: Rotation): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unlock = await lock(`${path}.lock`);
  try {
    const bytes = Buffer.byteLength(line) + 1;
    if (unlock !== null && (await sizeOf(path)) + bytes > rotation.maxBytes) {
      // What can't be put aside grows: a line is worth more than the size.
      await rotate(path, rotation.kept).catch(() => undefined);
    }
    // It was removed, after as many rotations as are kept, while this process was held up: once more.
    if (!(await append(path, line))) await append(path, line);
  } finally {
    await unlock?.();
  }
}

/** @returns whether the file was still there afterwards, under whatever name */
async function append(path: string, line: string): Promise<boolean> {
  const file = await open(path, 'a+', 0o640);
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    // One write: lines of several writers do not mix.
    await file.appendFile(`${size > 0 && last[0] !== 0x0a ? '\n' : ''}${line}\n`);
    await file.sync();
    return (await file.stat()).nlink > 0;
  } finally {
    await file.close();
  }
}

async function rotate(path: string, kept: number): Promise<void> {
  const { dir, name, ext } = parse(path);
  const aside = (number: number): string => join(dir, `${name}.${String(number)}${ext}`);
  for (let number = kept; number > 1; number -= 1) await move(aside(number - 1), aside(number));
  await move(path, aside(1));
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
}

/** A lock that one process has had for so long is of a process that died: it takes milliseconds. */
const STALE_MS = 5_000;
const LONGEST_WAIT_MS = 10_000;
const POLL_MS = 10;

/** @returns what unlocks it; null where this user can't make the file, or others had it all the time */
async function lock(path: string): Promise<(() => Promise<void>) | null> {
  let seen = '';
  let polls = 0;
  for (let all = 0; all <= LONGEST_WAIT_MS / POLL_MS; all += 1) {
    const mine = await create(path);
    if (mine === undefined) return null;
    if (mine !== null) return () => removeIf(path, mine);
    const holder = await identityOf(path);
    polls = holder === seen ? polls + 1 : 0;
    seen = holder;
    if (polls >= STALE_MS / POLL_MS) await removeIf(path, seen);
    await wait(POLL_MS);
  }
  return null;
}

/** @returns the new file's identity; null where there is one already; undefined where there can't be one */
async function create(path: string): Promise<string | null | undefined> {
  try {
    await (await open(path, 'wx', 0o640)).close();
    return await identityOf(path);
  } catch (error) {
    return codeOf(error) === 'EEXIST' ? null : undefined;
  }
}

async function removeIf(path: string, identity: string): Promise<void> {
  if ((await identityOf(path)) !== identity) return;
  // Another user's stays.
  await rm(path, { force: true }).catch(() => undefined);
}

/** Tells a file from one that was made anew in its place. Empty where there is none. */
async function identityOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? '' : `${String(found.ino)} ${String(found.mtimeNs)}`;
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  openSync,
  readFileSync,
  readSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';

/** The text of a small file; null where there is none. Throws Node's own error for anything else. */
export function readTextFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** A file's bytes as they come; standard input for `-`. Errors come when it is read. */
export function openInput(path: string): Readable {
  return path === '-' ? process.stdin : createReadStream(path);
}

/** All the text of a file; of standard input for `-`. */
export function readInput(path: string): Promise<string> {
  return text(openInput(path));
}

/** The text of a small file, of standard input for `-`; null where it is longer than `maxBytes`. */
export async function readSmallInput(path: string, maxBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of openInput(path) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Whether there is a file or directory, also one that this user may not see: opening it says why. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return !isMissing(error);
  }
}

/** Whether this process may write the file; true where there is none. */
export function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    return isMissing(error);
  }
}

/** Why a file can't be used, in words; the error itself when it is no file's. */
export function fileProblem(error: unknown): string {
  switch ((error as NodeJS.ErrnoException | null)?.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it';
    case 'EISDIR':
      return 'is a directory';
    default:
      throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** A file's permissions, such as 0o600. */
export function fileMode(path: string): number {
  return statSync(path).mode & 0o777;
}

/** Tells one file from another that has come to lie in its place; null where there is none. */
export function fileIdentity(path: string): string | null {
  // Inode numbers may be above 2^53.
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : `${String(found.dev)}:${String(found.ino)}`;
}

/** A file's size in bytes. */
export function sizeOf(path: string): number {
  return statSync(path).size;
}

/** A file's first bytes, fewer where it is shorter. */
export function readStart(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
}

/** What this user may still write on the disk of a file or directory, in bytes; null where the system does not say. */
export function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return null;
  }
}

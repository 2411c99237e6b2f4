import { createHash } from 'node:crypto';

/** The times at which something was asked, which say nothing of it. */
const TIMES_OF_ASKING: ReadonlySet<string> = new Set(['time', 'timestamp']);

/**
 * A weak ETag of a document: the same while only the time at which it was asked differs.
 * @param command how the commands in it begin
 */
export function etagOf(document: object, command: string): string {
  const text = JSON.stringify(document, (key, value: unknown) =>
    TIMES_OF_ASKING.has(key) ? undefined : value,
  );
  return `W/"${createHash('sha256').update(command).update(text).digest('base64url').slice(0, 22)}"`;
}

/** Whether an If-None-Match header names it. */
export function names(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const strong = etag.replace(/^W\//, '');
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === strong);
}

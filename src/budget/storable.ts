/**
 * Which text both databases keep as it is. PostgreSQL takes no NUL, and half of a surrogate pair is no
 * UTF-8: drivers would write U+FFFD for it, and two keys that differ would be one.
 */

/** Why it can't be kept as it is, to stand after a field's name; null where it can. */
export function storageProblem(text: string): string | null {
  if (text.includes('\0')) return 'has a NUL character (U+0000), which no database keeps';
  if (text.isWellFormed()) return null;
  return 'has half of a surrogate pair (U+D800 to U+DFFF), which is no Unicode text';
}

/** The same text with U+FFFD for what can't be kept: for words of others, about a call that was made. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

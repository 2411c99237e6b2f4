/** The candidate that a mistyped word is most likely meant to be, in any case; null when none is near. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const most = Math.max(1, Math.floor(word.length / 3));
  let best: { candidate: string; edits: number } | null = null;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > most) continue;
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (edits <= most && edits < (best?.edits ?? Infinity)) best = { candidate, edits };
  }
  return best?.candidate ?? null;
}

/** How many letters must be added, dropped or replaced to make one word of the other (Levenshtein). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let line = 0; line < a.length; line += 1) {
    const next = [line + 1];
    for (let at = 0; at < b.length; at += 1) {
      const replaced = (row[at] ?? 0) + (a[line] === b[at] ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

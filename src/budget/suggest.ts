/** Rewrites the commands in a text, so that they work for who reads it, on the same database. */
export type Suggest = (text: string) => string;

/** A value as JSON; what mends something (`fix`, `fixes`) as it is suggested here. */
export function jsonWith(suggest: Suggest, value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (key, each: unknown) => {
      if (key === 'fix' && typeof each === 'string') return suggest(each);
      return key === 'fixes' && Array.isArray(each)
        ? each.map((fix) => suggest(String(fix)))
        : each;
    },
    indent,
  );
}

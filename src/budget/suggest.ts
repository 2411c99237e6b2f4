/** Rewrites the commands in a text, so that they work for who reads it, on the same database. */
export type Suggest = (text: string) => string;

/** A value as JSON; what mends something (`fix`) as it is suggested here. */
export function jsonWith(suggest: Suggest, value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (key, each: unknown) => (key === 'fix' && typeof each === 'string' ? suggest(each) : each),
    indent,
  );
}

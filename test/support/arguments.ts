/** Arguments of the long runs (`npm run crashes`, …). What is wrong with them is one line, and exit code 2. */

export function wrongUsage(problem: string): never {
  console.error(problem);
  process.exit(2);
}

/** What `read` (parseArgs) reads; where it refuses, that is told. */
export function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return wrongUsage(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number from `least`. */
export function wholeNumber(option: string, text: string, least = 1): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number;
  return wrongUsage(`${option}: takes a whole number from ${String(least)}, not "${text}"`);
}

/** Names, each one of some. */
export function namesOf<T extends string>(
  what: string,
  given: readonly string[],
  known: readonly T[],
): T[] {
  for (const name of given) {
    if (!known.some((one) => one === name)) {
      wrongUsage(`${what}: there is no "${name}"; there are: ${known.join(', ')}`);
    }
  }
  return known.filter((one) => given.includes(one));
}

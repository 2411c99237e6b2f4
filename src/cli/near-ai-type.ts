import type { App } from '../app.ts';
import { closest } from '../budget/closest.ts';
import type { Output } from './output.ts';

/**
 * Says which AI type may have been meant, where nothing was found of those that were named and one
 * that is in use is spelt much like it.
 * @param month where another one than the current was asked for, 'YYYY-MM'
 */
export async function noteNearAiTypes(
  output: Output,
  app: App,
  named: readonly string[],
  month?: string,
): Promise<void> {
  const { aiTypes, windows } = await app.status(month === undefined ? {} : { month });
  const used = aiTypes.map(({ aiType }) => aiType);
  const known = [...used, ...windows.map(({ scope }) => scope).filter((each) => each !== 'global')];
  for (const name of named) {
    const meant = known.includes(name) ? null : closest(name, known);
    if (meant !== null) output.note(`nothing is known of ${name}: did you mean ${meant}?`);
  }
}

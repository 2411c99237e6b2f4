import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutate } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

/** `npm run mutants` runs them; this keeps the table from falling behind the code. */
describe('the table of mutants', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s can be brought back, and names its tests',
    (_, mutant) => {
      const text = read(mutant.file);
      expect(mutate(mutant, text)).not.toBe(text);
      expect(mutant.killers).not.toEqual([]);
      for (const { file, test } of mutant.killers) expect(read(file)).toContain(test);
    },
  );

  it('names each once', () => {
    const names = MUTANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

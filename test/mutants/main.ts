/**
 * `npm run mutants [-- NAME…]`: brings back each known defect, one at a time, and shows that the tests
 * go red for it. Prints a Markdown table; exits 1 when a defect has survived.
 */
import { fileURLToPath } from 'node:url';
import { wrongUsage } from '../support/arguments.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { scratchOf } from './scratch.ts';
import { resultsOf, runTests, survivedBecause } from './suite.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const given = process.argv.slice(2);
const unknown = given.filter((name) => MUTANTS.every((mutant) => mutant.name !== name));
if (unknown.length > 0) {
  wrongUsage(`no mutant is named ${unknown.join(', ')}; docs/reliability.md lists them`);
}
const mutants = MUTANTS.filter(({ name }) => given.length === 0 || given.includes(name));

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
const scratch = scratchOf(root);
try {
  await requireGreen();
  const survivors = await runAll();
  console.log(`\n${mutants.length - survivors} of ${mutants.length} killed`);
  process.exitCode = survivors === 0 ? 0 : 1;
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
} finally {
  scratch.remove();
}

/** Without any mutant the named tests run and pass. */
async function requireGreen(): Promise<void> {
  const killers = mutants.flatMap((mutant) => mutant.killers);
  const results = await runTests(scratch.directory, killers, stop.signal);
  const red = results.filter(({ failed }) => failed);
  const missing = killers.filter((killer) => resultsOf(killer, results).length === 0);
  if (red.length + missing.length === 0) return;
  const tell = [
    ...red.map(({ file, name, message }) => `red without a mutant: ${file} › ${name}: ${message}`),
    ...missing.map(({ file, test }) => `did not run: ${file} › ${test}`),
  ];
  throw new Error(tell.join('\n'));
}

/** How many have survived. */
async function runAll(): Promise<number> {
  console.log(
    '| mutant | the defect | in | killed by | seconds |\n| --- | --- | --- | --- | --- |',
  );
  let survivors = 0;
  for (const mutant of mutants) {
    const start = performance.now();
    const survived = await survival(mutant);
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    if (survived !== null) survivors += 1;
    const outcome =
      survived === null
        ? mutant.killers.map(({ file, test }) => `${file} › ${test}`).join('<br>')
        : `**SURVIVED**: ${survived}`;
    console.log(`| ${mutant.name} | ${mutant.defect} | ${mutant.file} | ${outcome} | ${seconds} |`);
  }
  return survivors;
}

async function survival(mutant: Mutant): Promise<string | null> {
  try {
    return await scratch.withMutant(mutant, async () => {
      const results = await runTests(scratch.directory, mutant.killers, stop.signal);
      return survivedBecause(mutant, results);
    });
  } catch (error) {
    if (stop.signal.aborted) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs named tests of a checkout with Vitest, and says how each one ended. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import type { Killer, Mutant } from './mutant.ts';

export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly failed: boolean;
  /** The first line of what it failed with. */
  readonly message: string;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Longer than any of the named tests needs; a mutant that hangs must fail by the test's own limit. */
const LIMIT_MS = 300_000;

/**
 * Runs every test whose name has that of a killer in it.
 * @throws when a file does not load, or the run does not end in time
 */
export async function runTests(
  directory: string,
  killers: readonly Killer[],
  stop: AbortSignal,
): Promise<TestResult[]> {
  const report = join(directory, 'report.json');
  rmSync(report, { force: true });
  const files = [...new Set(killers.map(({ file }) => file))];
  const child = spawn(
    process.execPath,
    [
      join('node_modules', 'vitest', 'vitest.mjs'),
      'run',
      ...files,
      `--testNamePattern=${killers.map(({ test }) => patternOf(test)).join('|')}`,
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)]),
    },
  );
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  // Also when it is stopped, its end is waited for: until then it writes in the directory.
  const stopped = await new Promise<Error | null>((resolve) => {
    let error: Error | null = null;
    child.once('error', (reason) => (error = reason));
    child.once('close', () => resolve(error));
  });
  if (stopped !== null) throw stopped;
  if (!existsSync(report)) throw new Error(`Vitest made no report: ${errors}`);
  return readReport(report, directory);
}

/** In Vitest's names a placeholder such as %i stands for its value. */
function patternOf(test: string): string {
  return test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/%\w/g, '.*');
}

function readReport(report: string, directory: string): TestResult[] {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  return testResults.flatMap(({ name: path, message, assertionResults }) => {
    const file = path.slice(directory.length + 1);
    if (assertionResults.length === 0) throw new Error(`${file} did not load: ${message}`);
    return assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ fullName, status, failureMessages }) => ({
        file,
        name: fullName,
        failed: status === 'failed',
        message: failureMessages[0]?.split('\n')[0] ?? '',
      }));
  });
}

/** What of the results a killer names. */
export function resultsOf(killer: Killer, results: readonly TestResult[]): TestResult[] {
  const pattern = new RegExp(patternOf(killer.test));
  return results.filter(({ file, name }) => file === killer.file && pattern.test(name));
}

/** Code that does not run is no defect that a test has caught. */
const BROKEN =
  /syntax error|SyntaxError|ReferenceError|TypeError|no such (column|table|function)|(column|relation|function) .* does not exist/;

/** Why the tests have not caught a mutant; null when they have. */
export function survivedBecause(mutant: Mutant, results: readonly TestResult[]): string | null {
  for (const killer of mutant.killers) {
    for (const group of groupsOf(resultsOf(killer, results), mutant.on)) {
      const failed = group.filter((result) => result.failed);
      if (failed.length === 0) return `green: ${group.map(({ name }) => name).join('; ')}`;
      const broken = failed.find(({ message }) => BROKEN.test(message));
      if (broken !== undefined) return `it does not run: ${broken.message}`;
    }
  }
  return null;
}

/** Results of which one must be red: those on each database; all, where their names tell none. */
function groupsOf(results: TestResult[], on: DatabaseName | undefined): TestResult[][] {
  const groups = (on === undefined ? DATABASES : [on])
    .map((database) => results.filter(({ name }) => name.includes(`on ${database}`)))
    .filter((group) => group.length > 0);
  return groups.length > 0 ? groups : [results];
}

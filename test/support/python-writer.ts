/** A real Python program (its standard library's sqlite3) that writes as an AI backend would. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PYTHON } from './python.ts';

export type PythonStep =
  | {
      readonly sql: string;
      readonly params?: readonly unknown[];
      /** executemany: one statement for all of these. */
      readonly many?: readonly (readonly unknown[])[];
    }
  | 'commit'
  | 'rollback';

export interface PythonAnswer {
  /** Null when it was done. */
  readonly error: string | null;
  readonly rows: readonly (readonly unknown[])[];
  readonly changed: number;
}

export interface PythonRun {
  readonly version: string;
  readonly answers: readonly PythonAnswer[];
}

const program = fileURLToPath(new URL('python-writer.py', import.meta.url));

/** Runs the steps in one Python process on one connection, committed at the end unless rolled back. */
export function python(
  path: string,
  steps: readonly PythonStep[],
  pragmas: readonly string[] = [],
): PythonRun {
  const input = JSON.stringify({ path, pragmas, steps });
  const run = spawnSync(PYTHON, [program], { input, encoding: 'utf8', timeout: 30_000 });
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`python3 failed:\n${run.stderr}`);
  return JSON.parse(run.stdout) as PythonRun;
}

/** The same, each step of which must be done. */
export function pythonDone(
  path: string,
  steps: readonly PythonStep[],
  pragmas: readonly string[] = [],
): readonly PythonAnswer[] {
  const { answers } = python(path, steps, pragmas);
  const refused = answers.map(({ error }) => error).filter((error) => error !== null);
  if (refused.length > 0) throw new Error(`the writer was refused: ${refused.join('; ')}`);
  return answers;
}

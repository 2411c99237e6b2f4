/** A Python of the tests' own, with the official SDK of Anthropic in it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SDK = 'anthropic==1.13.0';
const folder = fileURLToPath(new URL('../../node_modules/.cache/python', import.meta.url));

/**
 * The path of its interpreter. The first call makes it, in node_modules/.cache/python, from the index
 * that pip is configured for.
 */
export async function pythonWithSdk(): Promise<string> {
  const python = join(folder, 'bin', 'python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', SDK];
  try {
    if (!existsSync(python)) await run('python3', ['-m', 'venv', folder]);
    await run(python, [
      '-c',
      `import anthropic; assert anthropic.__version__ == '${SDK.split('==')[1] ?? ''}'`,
    ]).catch(() => run(python, pip));
  } catch (error) {
    const why = String((error as { stderr?: string }).stderr ?? error)
      .trim()
      .split('\n')
      .at(-1);
    throw new Error(`this test needs python3 with venv, and pip install ${SDK}: ${why ?? ''}`);
  }
  return python;
}

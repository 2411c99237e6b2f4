/** A copy of the checkout, with its uncommitted changes, in which one mutant at a time is made. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mutate, type Mutant } from './mutant.ts';

export interface Scratch {
  readonly directory: string;
  /** Makes the mutant, does the work, and brings the file back. */
  withMutant<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>;
  remove(): void;
}

/** What git ignores and the tests need: made by `npm run build`. */
const GENERATED = 'src/store/generated';

export function scratchOf(root: string): Scratch {
  if (!existsSync(join(root, GENERATED))) throw new Error('run npm run build first');
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'tokenctl-mutants-')));
  const copy = (file: string): void => {
    // A file that is deleted and not yet committed is listed all the same.
    if (!existsSync(join(root, file))) return;
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    cpSync(join(root, file), join(directory, file), { recursive: true });
  };
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of listed.split('\0').filter((name) => name !== '')) copy(file);
  copy(GENERATED);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
  return {
    directory,
    async withMutant(mutant, work) {
      const path = join(directory, mutant.file);
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, mutate(mutant, text));
      try {
        return await work();
      } finally {
        writeFileSync(path, text);
      }
    },
    remove: () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }),
  };
}

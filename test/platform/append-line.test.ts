import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { appendLine } from '../../src/platform/append-line.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

const MAX = 65_536;
const program = fileURLToPath(new URL('../support/append-lines.ts', import.meta.url));

/** A process that appends when it is told to. */
async function writer(path: string, name: string, count: number) {
  const args = ['--import', 'tsx', program, path, name, String(count), String(MAX)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let printed = '';
  const ready = once(child.stdout.setEncoding('utf8'), 'data');
  child.stdout.on('data', (text: string) => (printed += text));
  const ended = once(child, 'close');
  await ready;
  return {
    begin: () => child.stdin.write('\n'),
    kill: () => child.kill('SIGKILL'),
    ended,
    /** The lines that it knows to be in the file. */
    appended: () => printed.split('\n').slice(1, -1),
  };
}

/** All files of a log, the newest first. */
const filesOf = (path: string): string[] =>
  [path, ...[1, 2, 3, 4].map((number) => path.replace('.json', `.${String(number)}.json`))].filter(
    (file) => existsSync(file),
  );

const namesIn = (files: readonly string[]): string[] =>
  files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { name: string }).name),
  );

describe('a log that several processes append to', () => {
  it('loses no line and has none twice when they rotate it', async () => {
    const path = join(temporaryDirectory(), 'made', 'log.json');
    const writers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => writer(path, name, 180)));
    for (const { begin } of writers) begin();
    await Promise.all(writers.map(({ ended }) => ended));
    const files = filesOf(path);
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(MAX);
    const wanted = writers.flatMap(({ appended }) => appended());
    expect(wanted).toHaveLength(4 * 180);
    expect(namesIn(files).toSorted()).toEqual(wanted.toSorted());
    // Each file goes on where the older one ended.
    const ofOne = namesIn(files.toReversed()).filter((name) => name.startsWith('a-'));
    expect(ofOne).toEqual(writers[0]!.appended());
  }, 60_000);

  it('has what they appended when some are killed', async () => {
    const path = join(temporaryDirectory(), 'log.json');
    const writers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => writer(path, name, 150)));
    for (const { begin } of writers) begin();
    for (const [index, dying] of [writers[0]!, writers[1]!].entries()) {
      await expect
        .poll(() => dying.appended().length, { timeout: 30_000 })
        .toBeGreaterThan(10 + index * 40);
      dying.kill();
    }
    await Promise.all(writers.map(({ ended }) => ended));
    const found = namesIn(filesOf(path));
    expect(new Set(found).size).toBe(found.length);
    const known = writers.flatMap(({ appended }) => appended());
    expect(known.filter((name) => !found.includes(name))).toEqual([]);
    // At most the line that each of the killed was about.
    expect(found.length - known.length).toBeLessThanOrEqual(2);
  }, 90_000);
});

describe('appending', () => {
  const rotation = { maxBytes: 100, kept: 2 };

  it('keeps as many files as it is told, each as long as it may be', async () => {
    const path = join(temporaryDirectory(), 'log.json');
    for (let number = 1; number <= 9; number += 1) {
      await appendLine(path, `${String(number)}${'x'.repeat(48)}`, rotation);
    }
    const starts = filesOf(path).map((file) =>
      readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line[0]),
    );
    expect(starts).toEqual([['9'], ['7', '8'], ['5', '6']]);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('goes on in a new file when someone moves it away, and ends a line that was cut', async () => {
    const path = join(temporaryDirectory(), 'log.json');
    writeFileSync(path, 'cut');
    await appendLine(path, 'first', rotation);
    expect(readFileSync(path, 'utf8')).toBe('cut\nfirst\n');
    renameSync(path, `${path}-moved`);
    await appendLine(path, 'second', rotation);
    expect(readFileSync(path, 'utf8')).toBe('second\n');
  });

  it('takes the lock of a process that died, and a line that is too long all the same', async () => {
    const path = join(temporaryDirectory(), 'log.json');
    await appendLine(path, 'x'.repeat(200), rotation);
    writeFileSync(`${path}.lock`, '');
    await appendLine(path, 'after', rotation);
    expect(readFileSync(path, 'utf8')).toBe('after\n');
    expect(existsSync(`${path}.lock`)).toBe(false);
  }, 20_000);
});

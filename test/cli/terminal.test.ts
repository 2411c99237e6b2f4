/** Colours, characters and answers in a real pseudo terminal, and what of them is left in a pipe. */
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { startInPty, type Pty, type CommandPtyOptions } from '../support/pty.ts';

const GREEN = 2;
const NONE = -1;

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const start = (args: string[], options: Omit<CommandPtyOptions, 'home'> = {}): Pty =>
  startInPty(args, { ...options, home: cli.home });

describe('colour on a terminal', () => {
  it.each([
    ['is there', [], {}, GREEN],
    ['goes with --no-color', ['--no-color'], {}, NONE],
    ['goes with NO_COLOR', [], { NO_COLOR: '1' }, NONE],
    ['stays with an empty NO_COLOR', [], { NO_COLOR: '' }, GREEN],
    ['goes with FORCE_COLOR=0', [], { FORCE_COLOR: '0' }, NONE],
    ['goes with TERM=dumb', [], { TERM: 'dumb' }, NONE],
    ['comes back with FORCE_COLOR=1', [], { TERM: 'dumb', FORCE_COLOR: '1' }, GREEN],
  ])('%s', async (_, flags, env, color) => {
    const pty = start(['status', ...flags], { env });
    expect(await pty.exited()).toBe(0);
    expect(pty.colorOf('OK').foreground).toBe(color);
  });
});

describe('characters on a terminal', () => {
  it.each([
    ['C.UTF-8', '░░░', '...'],
    ['C', '...', '░'],
  ])('with LANG=%s', async (LANG, shown, other) => {
    const pty = start(['status'], { env: { LANG } });
    await pty.exited();
    expect(pty.text()).toContain(shown);
    expect(pty.text()).not.toContain(other);
  });
});

describe('in a pipe', () => {
  it('there is neither colour nor a block character, whatever the terminal', async () => {
    const { stdout } = await cli.run(['status'], { env: { TERM: 'xterm-256color' } });
    expect(stdout).toMatch(/^[\n -~]+$/);
  });

  it('FORCE_COLOR colours, and NO_COLOR goes before it', async () => {
    const forced = await cli.run(['status'], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain('\u001b[32mOK\u001b[39m');
    const none = await cli.run(['status'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(none.stdout).not.toContain('\u001b');
  });
});

describe('a terminal', () => {
  it('of 20 columns shows a status with no number cut', async () => {
    const pty = start(['status'], { cols: 20, rows: 60 });
    expect(await pty.exited()).toBe(0);
    expect(pty.text()).toMatch(/month +0\.00 %\nday +0\.00 %\nhour +0\.00 %/);
  });

  it('is asked for a name; another one, or Ctrl-C, changes nothing', async () => {
    await cli.run(['import', '-', '--format', 'csv', '--ai-type', 'sandbox'], {
      input: `timestamp,input,output\n${new Date().toISOString()},7,0\n`,
      env: { XDG_DATA_HOME: '' },
    });
    for (const [keys, code] of [
      ['globe\r', 5],
      ['\u0003', 130],
    ] as const) {
      const pty = start(['reset', '--reason', 'test']);
      await pty.waitFor('Type global to confirm:');
      pty.type(keys);
      expect(await pty.exited()).toBe(code);
      expect(pty.text()).toContain('nothing was changed');
    }
    const after = await cli.run(['status', '--json'], { env: { XDG_DATA_HOME: '' } });
    expect(JSON.parse(after.stdout)).toMatchObject({ aiTypes: [{ aiType: 'sandbox', used: 7 }] });
  });
});

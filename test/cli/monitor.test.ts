/** The living monitor, in a real pseudo terminal. */
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openBudget } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until } from '../support/processes.ts';
import { startInPty, startShellInPty, type Pty, type CommandPtyOptions } from '../support/pty.ts';

const CLOCK = '2025-11-24T08:54:20Z';
/** Sent by Ctrl and the letter. */
const CTRL = { c: '\u0003', z: '\u001a' };

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const start = (args: string[] = [], options: Omit<CommandPtyOptions, 'home'> = {}): Pty =>
  startInPty(['monitor', ...args], { ...options, home: cli.home });

/** This is shown, and the frame is whole. */
const drawn = (pty: Pty, text: RegExp): Promise<void> =>
  until(() => text.test(pty.text()) && pty.written().endsWith('\u001b[?2026l'), 20_000);

/** The first check is shown. */
const shown = (pty: Pty): Promise<void> => drawn(pty, /Largest[^]*q quit/);

/** Usage of AI types, in this order by tokens. */
async function use(at: string, ...names: string[]): Promise<void> {
  const rows = names.map((name, place) => `${at},${name},${String(900 - 100 * place)},0`);
  const { code } = await cli.run(['import', '-', '--format', 'csv'], {
    input: ['timestamp,ai_type,input,output', ...rows, ''].join('\n'),
    env: { XDG_DATA_HOME: '' },
  });
  expect(code).toBe(0);
}

describe('the end', () => {
  it.each([
    ['q', (pty: Pty) => pty.type('q'), 0],
    ['Ctrl-C', (pty: Pty) => pty.type(CTRL.c), 130],
    ['SIGINT', (pty: Pty) => pty.kill('SIGINT'), 130],
    ['SIGTERM', (pty: Pty) => pty.kill('SIGTERM'), 0],
    ['SIGHUP', (pty: Pty) => pty.kill('SIGHUP'), 129],
  ])('by %s leaves the last state on the normal screen', async (_, end, code) => {
    const pty = start();
    await shown(pty);
    expect(pty.alternate()).toBe(true);
    expect(pty.written()).toContain('\u001b[?25l');
    end(pty);
    expect(await pty.exited()).toBe(code);
    expect(pty.alternate()).toBe(false);
    expect(pty.written().split('\u001b[?1049l')).toHaveLength(2);
    expect(pty.written().split('\u001b[?25h')).toHaveLength(2);
    expect(pty.text()).toMatch(/^Level +OK {2}0.00 %[^]*Checked +\d+ s ago[^]*hour +0 +0 +194/);
    expect(pty.text()).not.toContain('q quit');
    // Held back while the screen was the monitor's.
    expect(pty.text()).toMatch(/tokenctl: created the database/);
  });

  it('by an error that nobody caught gives the terminal back before it is printed', async () => {
    const failing = `process.on('SIGUSR2', () => { throw new Error('as the test wished'); });`;
    const pty = start([], {
      env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(failing)}` },
    });
    await shown(pty);
    pty.kill('SIGUSR2');
    expect(await pty.exited()).toBe(1);
    expect(pty.alternate()).toBe(false);
    expect(pty.text()).toContain('as the test wished');
  });

  it('by an error of the command prints it on the normal screen', async () => {
    const pty = start(['--config', 'none.json']);
    expect(await pty.exited()).toBe(2);
    expect(pty.alternate()).toBe(false);
    expect(pty.text()).toMatch(/^tokenctl: .*none\.json/);
  });
});

describe('the keys', () => {
  it('sort, choose an AI type, pause and explain themselves; others do nothing', async () => {
    await use(CLOCK, 'imperium', 'guardian', 'sandbox');
    const pty = start([], { clock: CLOCK });
    await shown(pty);
    const press = async (key: string, text: string | RegExp): Promise<void> => {
      pty.type(key);
      await pty.waitFor(text);
    };
    for (const sort of ['today', 'requests', 'denied', 'last', 'used']) {
      await press('s', `s sort: ${sort} `);
    }
    for (const aiType of ['imperium', 'guardian', 'sandbox']) {
      // The key is shown before the check that it asks for is done: the global windows tell.
      const own = `AI type +Used[^\n]*\n${aiType} [^]*a AI type: ${aiType} `;
      await press('a', new RegExp(`^global month [^]*${own}`, 'm'));
      expect(pty.text().match(/^(imperium|guardian|sandbox) /gm)).toHaveLength(1);
    }
    await press('a', /imperium +900[^]*guardian +800[^]*sandbox +700[^]*a AI type: all /);
    await press('?', /Ctrl-Z {2}to the shell[^]*\? back/);
    await press('\u001b[Axyz\t ?', /sandbox[^]*\? help/);
    await press('p', 'PAUSED since 08:54 UTC');
    await press('p', /next in[^]*p pause/);
    pty.type('q');
    expect(await pty.exited()).toBe(0);
  });

  it('a pause makes no checks, but r does', async () => {
    await use(new Date().toISOString(), 'imperium');
    const pty = start(['--interval', '1']);
    await shown(pty);
    pty.type('p');
    await pty.waitFor('PAUSED');
    await use(new Date().toISOString(), 'guardian');
    // Longer than the interval: the display's clock goes on, and shows it.
    await pty.waitFor(/Checked +[3-9] s ago/);
    expect(pty.text()).not.toContain('guardian');
    pty.type('r');
    await pty.waitFor(/guardian[^]*p go on/);
    expect(pty.text()).toContain('PAUSED');
  });

  it('Ctrl-Z gives the terminal to the shell, and fg comes back', async () => {
    const pty = startShellInPty(null, { home: cli.home, env: { PS1: 'shell> ' } });
    pty.type('tokenctl monitor\r');
    await shown(pty);
    pty.type(CTRL.z);
    await pty.waitFor('Stopped');
    expect(pty.alternate()).toBe(false);
    pty.type('echo "typed $((40 + 2))"\r');
    await pty.waitFor('typed 42');
    pty.type('fg\r');
    await until(() => pty.alternate());
    await shown(pty);
    pty.type('q');
    await until(() => !pty.alternate());
    pty.type('exit\r');
    expect(await pty.exited()).toBe(0);
  });
});

describe('the screen', () => {
  it('is written only where it changed, in one piece', async () => {
    const pty = start([], { clock: CLOCK });
    await shown(pty);
    const before = pty.written().length;
    pty.type('s');
    await drawn(pty, /s sort: today/);
    const rows = pty
      .written()
      .slice(before)
      .match(/\u001b\[\d+;1H/g);
    expect(rows).toEqual(['\u001b[24;1H']);
    expect(pty.written().slice(before)).toMatch(/^\u001b\[\?2026h[^]*\u001b\[\?2026l$/);
  });

  it('ticks without asking the database', async () => {
    const pty = start();
    await pty.waitFor(/Checked +2 s ago, next in 5[78] s/);
  });

  it.each([
    [
      20,
      5,
      /^OK {2}0.00 %\nChecked +\d+ s ago\nWindow +Percent\nmonth +0.00 %\nq quit {2}\? help$/,
    ],
    [10, 2, /^OK {2}0.00 %\nq quit$/],
  ])('of %i x %i has what matters most', async (cols, rows, text) => {
    const pty = start([], { cols, rows });
    await drawn(pty, /OK {2}0.00 %[^]*q quit/);
    expect(pty.screen().join('\n')).toMatch(text);
    pty.type('q');
    expect(await pty.exited()).toBe(0);
  });

  it('is none where the output is no terminal, or a dumb one, or JSON was asked for', async () => {
    const piped = startShellInPty('tokenctl monitor --interval 1 | cat', { home: cli.home });
    const dumb = start([], { env: { TERM: 'dumb' } });
    const json = start(['--json']);
    const once = start(['--once']);
    for (const [pty, line] of [
      [piped, /Z {2}OK /],
      [dumb, /Z {2}OK /],
      [json, '{"schemaVersion":1,'],
      [once, /Z {2}OK /],
    ] as const) {
      await pty.waitFor(line);
      expect(pty.written()).not.toContain('\u001b[?1049h');
    }
    expect(await once.exited()).toBe(0);
  });
});

describe('a lost database', () => {
  it('is shown as lost with its last state, and found again', async () => {
    const { target } = await openBudget('postgresql');
    const proxy = await startProxy(target);
    const pty = start(['--database', proxy.target.url, '--interval', '2'], { rows: 30 });
    await shown(pty);
    proxy.mode = 'refuses';
    proxy.cut();
    await pty.waitFor(/Database +LOST {2}since \d\d:\d\d UTC[^]*every request is/);
    await pty.waitFor(/Checked +\d+ s ago, what follows is from then[^]*Level +OK[^]*month/);
    proxy.mode = 'passes';
    await pty.waitFor(/^Level +OK[^\n]*\nChecked +\d+ s ago, next in/);
    expect(pty.text()).not.toContain('LOST');
    pty.type('q');
    expect(await pty.exited()).toBe(0);
    expect(pty.text()).not.toContain('warning');
  });

  it('that was never there is waited for, and r looks at once', async () => {
    const file = join(cli.home, 'later.db');
    const pty = start(['--database', file]);
    await pty.waitFor(/LOST[^]*Checked +not yet, trying again in [1-5] s[^]*q quit/);
    expect((await cli.run(['db', 'migrate', '--database', file])).code).toBe(0);
    pty.type('r');
    await shown(pty);
    pty.type('q');
    expect(await pty.exited()).toBe(0);
  });

  it('that is silent does not keep the monitor from ending', async () => {
    const { target } = await openBudget('postgresql');
    const proxy = await startProxy(target);
    const pty = start(['--database', proxy.target.url]);
    await shown(pty);
    proxy.mode = 'silent';
    pty.type('r');
    await pty.waitFor('checking now');
    const askedMs = performance.now();
    pty.type('q');
    expect(await pty.exited()).toBe(0);
    expect(pty.text()).toMatch(/^Level +OK/);
    // The check by itself would take 10 seconds.
    expect(performance.now() - askedMs).toBeLessThan(8_000);
  });
});

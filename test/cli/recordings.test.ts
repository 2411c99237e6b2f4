/**
 * What a person sees in a terminal, as golden files: run this test with `-u` to record them anew, and
 * look at each before it is committed.
 */
import { describe, expect, it } from 'vitest';
import { until } from '../support/processes.ts';
import { Recorder, type LogRow, type Size } from '../support/recording.ts';

const SIZES: readonly Size[] = [
  { cols: 120, rows: 30 },
  { cols: 80, rows: 24 },
  { cols: 60, rows: 20 },
];
const BEGUN = '2025-11-01T00:00:00Z';
const NOW = '2025-11-24T08:54:20Z';

const RED = 1;
const GREEN = 2;
const YELLOW = 3;
const BRIGHT_RED = 9;

/** A month that was used evenly up to now. `earlier` tokens lie before today. */
function month(earlier: number): LogRow[] {
  return [
    { at: '2025-11-12 10:00:00', aiType: 'imperium', input: earlier * 0.4, output: earlier * 0.2 },
    { at: '2025-11-18 15:30:00', aiType: 'guardian', input: earlier * 0.2, output: earlier * 0.05 },
    { at: '2025-11-23 16:00:00', aiType: 'sandbox', input: earlier * 0.1, output: earlier * 0.05 },
    { at: '2025-11-24 06:12:00', aiType: 'imperium', input: 3_150, output: 1_240 },
    { at: '2025-11-24 07:41:09', aiType: 'guardian', input: 620, output: 212 },
    { at: '2025-11-24 07:58:30', aiType: 'sandbox', denied: 7 },
    { at: '2025-11-24 08:31:44', aiType: 'guardian', failed: true },
    { at: '2025-11-24 08:52:02', aiType: 'sandbox', input: 400, output: 212 },
    { at: '2025-11-24 08:53:58', aiType: 'imperium', input: 149, output: 65 },
    { at: '2025-11-24 08:54:11', aiType: 'imperium', held: 900 },
  ];
}

/** A database that has counted since the month began, with limits that fit each other. */
async function recorderOf(size: Size, earlier: number): Promise<Recorder> {
  const recorder = new Recorder(size);
  await recorder.prepare(BEGUN, 'limits', 'apply', '--profile', 'paced');
  recorder.write(month(earlier));
  return recorder;
}

const name = (of: string, { cols, rows }: Size): string =>
  `recordings/${of}-${String(cols)}x${String(rows)}.txt`;

describe.each(SIZES)('in $cols x $rows', (size) => {
  it('status of a new database', async () => {
    const recorder = new Recorder(size);
    await recorder.record(NOW, ['status']);
    await expect(recorder.text()).toMatchFileSnapshot(name('status-fresh', size));
  });

  it.each([
    ['normal', 'OK', GREEN, 62_000],
    ['warning', 'WARNING', YELLOW, 110_000],
    ['critical', 'CRITICAL', RED, 128_000],
    ['emergency', 'EMERGENCY', BRIGHT_RED, 133_000],
  ])('status at level %s', async (of, word, color, earlier) => {
    const recorder = await recorderOf(size, earlier);
    const pty = await recorder.record(NOW, ['status']);
    expect(pty.colorOf(word).foreground).toBe(color);
    // Where it is 80 columns wide, it is one screen, with the prompt that follows it.
    if (size.cols >= 80) expect(pty.text().split('\n').length).toBeLessThan(size.rows);
    await expect(recorder.text()).toMatchFileSnapshot(name(`status-${of}`, size));
  });

  it('status of a lost database', async () => {
    const recorder = new Recorder(size);
    await recorder.record(NOW, [
      ...['status', '--database', 'postgresql://tokenctl:secret@127.0.0.1:1/budget'],
    ]);
    await recorder.record(NOW, ['status', '--database', 'file:budget.db']);
    await expect(recorder.text()).toMatchFileSnapshot(name('status-lost', size));
  });

  it('reset with a typed confirmation, and its undo', async () => {
    const recorder = await recorderOf(size, 62_000);
    const reset = ['--ai-type', 'sandbox', '--window', 'hour', '--reason', 'test traffic'];
    await recorder.record(NOW, ['reset', ...reset], async (pty) => {
      await pty.waitFor('to confirm:');
      pty.type('sandbox\r');
    });
    await recorder.record(NOW, ['reset', '--undo', '1'], async (pty) => {
      await pty.waitFor('to confirm:');
      pty.type('1\r');
    });
    await recorder.record(NOW, ['reset', '--undo', '1']);
    await expect(recorder.text()).toMatchFileSnapshot(name('reset', size));
  });

  it('limits set', async () => {
    const recorder = await recorderOf(size, 62_000);
    await recorder.record(NOW, ['limits', 'set', 'hourly=4000', '--reason', 'pilot']);
    await expect(recorder.text()).toMatchFileSnapshot(name('limits-set', size));
  });

  it('check, admitted and denied', async () => {
    const recorder = await recorderOf(size, 62_000);
    await recorder.record(NOW, ['check', '--ai-type', 'imperium', '--tokens', '500']);
    await recorder.record(NOW, ['check', '--ai-type', 'imperium', '--tokens', '1200']);
    await expect(recorder.text()).toMatchFileSnapshot(name('check', size));
  });

  it('monitor with alerts, a silence, and then blind', async () => {
    const recorder = await recorderOf(size, 128_000);
    // An hour of which almost nothing is left; who takes care of the level.
    await recorder.prepare(NOW, 'monitor', '--once');
    await recorder.prepare(NOW, 'alerts', 'silence', '--for', '2h', '--reason', 'load test');
    recorder.careAs('ann@desk');
    await recorder.record(NOW, ['monitor'], async (pty) => {
      const drawn = (text: RegExp): Promise<void> =>
        until(() => text.test(pty.text()) && pty.written().endsWith('\u001b[?2026l'), 20_000);
      await drawn(/Silent[^]*q quit/);
      recorder.snapshot('alerts and a silence', pty);
      recorder.lose();
      pty.type('r');
      await drawn(/LOST[^]*q quit/);
      // The minute after which it tells.
      pty.kill('SIGUSR2');
      pty.type('r');
      await drawn(/alerted/);
      recorder.snapshot('blind', pty);
      pty.type('q');
    });
    // What follows names this machine.
    const [screens] = recorder.text().split('[afterwards]');
    await expect(screens).toMatchFileSnapshot(name('monitor-alerts', size));
  });

  it('monitor, with a resize while it runs', async () => {
    const recorder = await recorderOf(size, 62_000);
    const other = { cols: size.cols === 60 ? 80 : 60, rows: 20 };
    await recorder.record(NOW, ['monitor'], async (pty) => {
      /** This is shown, and the frame is whole. */
      const drawn = (text: RegExp): Promise<void> =>
        until(() => text.test(pty.text()) && pty.written().endsWith('\u001b[?2026l'), 20_000);
      await drawn(/Runs out/);
      recorder.snapshot('the screen', pty);
      const before = pty.written().length;
      pty.resize(other.cols, other.rows);
      // Drawn anew: the emulator by itself moves the old lines.
      await until(() => pty.written().slice(before).includes('\u001b[2J'));
      await drawn(/q quit/);
      recorder.snapshot(`resized to ${String(other.cols)}x${String(other.rows)}`, pty);
      pty.type('?');
      await drawn(/\? back/);
      recorder.snapshot('help', pty);
      pty.type('q');
    });
    await expect(recorder.text()).toMatchFileSnapshot(name('monitor', size));
  });
});

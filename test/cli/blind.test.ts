/** A monitor that can't reach the ledger says so, once, wherever its alerts go; and that it is over. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AlertsDocument } from '../../src/alerts/care-documents.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, migratedDatabase, MONTH_ALONE } from '../support/databases.ts';
import { losable, type Losable } from '../support/losable.ts';
import { until } from '../support/processes.ts';
import { httpReceiver, type HttpReceiver } from '../support/receivers.ts';
import { startCli, type RunningCli } from '../support/running-cli.ts';

const CLOCK = new URL('../support/process-clock.mjs', import.meta.url).href;
/** More than the minute after which a monitor tells that it is blind. */
const JUMP_MS = 61_000;

let cli: Cli;
let target: DatabaseTarget;
let place: Losable;
let receiver: HttpReceiver;

/** A monitor whose clocks go on by more than a minute at each SIGUSR2. */
function start(...args: string[]): RunningCli {
  const config = join(cli.home, 'channels.json');
  const hook = { type: 'webhook', name: 'hook', url: receiver.url, allowPrivate: ['127.0.0.1'] };
  writeFileSync(config, JSON.stringify({ alerts: { channels: [hook] } }));
  return startCli(
    cli,
    ['monitor', '--interval', '1', '--database', place.url, '--config', config, ...args],
    { env: { NODE_OPTIONS: `--import ${CLOCK}`, TEST_CLOCK_JUMP_MS: String(JUMP_MS) } },
  );
}

/** Until it has made another check, of a ledger that is lost or not. */
async function checks(running: RunningCli, what: RegExp): Promise<void> {
  const from = running.lines().length;
  await until(
    () =>
      running
        .lines()
        .slice(from)
        .filter((line) => what.test(line)).length >= 2,
    20_000,
  );
}

const LOST = / LOST /;
const OK = / OK /;

const told = (): { type: string; data: { id: string; kind: string; message: string } }[] =>
  receiver.taken.map(({ body }) => JSON.parse(body) as ReturnType<typeof told>[number]);

async function alerts(): Promise<AlertsDocument['alerts']> {
  const { stdout } = await cli.run(['alerts', '--json', '--database', target.url]);
  return (JSON.parse(stdout) as AlertsDocument).alerts;
}

async function stop(running: RunningCli): Promise<string> {
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.done;
  expect(code).toBe(0);
  return stderr;
}

describe.each(DATABASES)('a monitor that has lost its ledger on %s', (kind) => {
  beforeEach(async () => {
    cli = temporaryCli();
    receiver = await httpReceiver();
    target = await migratedDatabase(kind, undefined, MONTH_ALONE);
    place = await losable(target);
    await sql(
      target,
      'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
      ['imperium', 70_000, 70_000],
    );
  });

  it('for a minute tells every channel once, and once that it is back', async () => {
    const running = start();
    await checks(running, OK);
    place.lose();
    await checks(running, LOST);
    expect(receiver.posted).toEqual([]);
    running.child.kill('SIGUSR2');
    await until(() => receiver.taken.length === 1, 20_000);
    await checks(running, LOST);
    const [raised] = told();
    expect(raised).toMatchObject({
      type: 'alert.raised',
      data: { kind: 'blind', level: 'emergency', used: 70_000, command: 'tokenctl doctor' },
    });
    expect(raised!.data.message).toMatch(
      /^the monitor of \S+ has not reached the ledger since \d{4}-\d\d-\d\d \d\d:\d\d UTC: .*; seen last 1 min ago: level ok, 50\.00 % of the 140,000 tokens of \d{4}-\d\d used or held; every request is denied while the ledger can't be reached$/,
    );
    const log = join(cli.home, 'data', 'tokenctl', 'token_usage_alerts.json');
    expect(readFileSync(log, 'utf8').trimEnd().split('\n')).toHaveLength(1);
    place.giveBack();
    await until(() => receiver.taken.length === 2, 20_000);
    await checks(running, OK);
    expect(told()[1]).toMatchObject({
      type: 'alert.resolved',
      data: { id: raised!.data.id, kind: 'blind', atEnd: { used: 70_000, percent: 50 } },
    });
    expect(await alerts()).toMatchObject([
      {
        ...{ id: raised!.data.id, kind: 'blind', state: 'resolved' },
        deliveries: [
          { event: 'raised', channel: 'console', state: 'delivered', tries: 1 },
          { event: 'raised', channel: 'file', state: 'delivered' },
          { event: 'raised', channel: 'hook', state: 'delivered' },
          { event: 'resolved', channel: 'console', state: 'delivered' },
          { event: 'resolved', channel: 'file', state: 'delivered' },
          { event: 'resolved', channel: 'hook', state: 'delivered' },
        ],
      },
    ]);
    const said = await stop(running);
    expect(said.match(/EMERGENCY the monitor of/g)).toHaveLength(1);
    expect(said.match(/resolved EMERGENCY/g)).toHaveLength(1);
    expect(receiver.posted).toHaveLength(2);
  });

  it('for less than a minute tells nobody', async () => {
    const running = start();
    await checks(running, OK);
    place.lose();
    await checks(running, LOST);
    place.giveBack();
    await checks(running, OK);
    // A minute that the ledger has answered in between does not count.
    running.child.kill('SIGUSR2');
    await checks(running, OK);
    place.lose();
    await checks(running, LOST);
    place.giveBack();
    await checks(running, OK);
    expect(await stop(running)).not.toContain('EMERGENCY');
    expect(receiver.posted).toEqual([]);
    expect(await alerts()).toEqual([]);
  });

  it('and never saw it tells too; a channel that is down is tried again and holds up nothing', async () => {
    receiver.answer = ({ headers }) =>
      receiver.posted.filter((each) => each.headers['webhook-id'] === headers['webhook-id'])
        .length < 2
        ? { status: 503 }
        : { status: 200 };
    place.lose();
    const running = start();
    await checks(running, LOST);
    running.child.kill('SIGUSR2');
    await running.prints('stderr', /could not be told by the channel hook: .*503.*tried again/);
    await running.prints('stderr', /EMERGENCY the monitor of .*; it has seen nothing before;/);
    await checks(running, LOST);
    await until(() => receiver.taken.length === 1, 20_000);
    const tries = receiver.posted.map(({ headers }) => headers['webhook-id']);
    expect(tries).toHaveLength(2);
    expect(new Set(tries).size).toBe(1);
    await stop(running);
  });

  it('during a silence tells the console and the alert log, and the others when it is over', async () => {
    const silence = ['alerts', 'silence', '--for', '2m', '--reason', 'upgrade'];
    expect((await cli.run([...silence, '--database', target.url])).code).toBe(0);
    const running = start();
    await checks(running, OK);
    place.lose();
    await checks(running, LOST);
    running.child.kill('SIGUSR2');
    await running.prints('stderr', /EMERGENCY the monitor of/);
    await checks(running, LOST);
    expect(receiver.posted).toEqual([]);
    running.child.kill('SIGUSR2');
    await until(() => receiver.taken.length === 1, 20_000);
    expect((await stop(running)).match(/EMERGENCY/g)).toHaveLength(1);
  });
});

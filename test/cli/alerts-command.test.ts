import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AlertsDocument } from '../../src/alerts/care-documents.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES, migratedDatabase } from '../support/databases.ts';
import { grantAsDocumented } from '../support/privileges.ts';
import { httpReceiver, smtpReceiver, type HttpReceiver } from '../support/receivers.ts';
import { startCli } from '../support/running-cli.ts';
import { schemaProblems } from '../support/schemas.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

/** Of the 140,000 tokens of the month. */
function use(target: DatabaseTarget, tokens: number): Promise<unknown> {
  return sql(
    target,
    'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
    ['imperium', tokens, tokens],
  );
}

/** A configuration with these channels. */
function configured(...channels: object[]): string {
  const file = join(cli.home, 'channels.json');
  writeFileSync(file, JSON.stringify({ alerts: { channels } }));
  return file;
}

const hookTo = ({ url }: HttpReceiver, name = 'hook'): object => ({
  ...{ type: 'webhook', name, url: `${url}/${name}`, allowPrivate: ['127.0.0.1'] },
});

describe.each(DATABASES)('tokenctl alerts on %s', (kind) => {
  let target: DatabaseTarget;
  const alerts = (...args: string[]): Promise<CliResult> =>
    cli.run(['alerts', ...args, '--database', target.url]);
  const monitor = (config: string): Promise<CliResult> =>
    cli.run(['monitor', '--once', '--quiet', '--database', target.url, '--config', config]);
  const list = async (): Promise<AlertsDocument> =>
    JSON.parse((await alerts('--json')).stdout) as AlertsDocument;

  beforeEach(async () => {
    target = await migratedDatabase(kind);
  });

  it('shows what was raised, told and given up; retry and ack take care of it', async () => {
    const receiver = await httpReceiver();
    receiver.answer = () => ({ status: 404, body: 'no such hook' });
    const config = configured(hookTo(receiver));
    expect((await alerts()).stdout).toBe('No alert was raised.\n');
    await use(target, 133_000);
    const raised = await monitor(config);
    expect(raised.code).toBe(0);
    expect(raised.stderr).toContain(
      'warning: an alert could not be told by the channel hook: it answered 404: no such hook; it is given up',
    );
    const shown = await alerts();
    expect(shown.stdout).toMatch(/critical +95\.00 % of \d{4}-\d\d +raised +2 of 3: hook dead/);
    expect(shown.stdout).toContain('no such hook');
    expect(shown.stdout).toMatch(/-> tokenctl .*alerts retry\n/);
    const document = await list();
    expect(document).toMatchObject({
      alerts: [
        {
          ...{ level: 'critical', state: 'raised', scope: 'global', used: 133_000, percent: 95 },
          topAiTypes: [{ aiType: 'imperium', tokens: 133_000, percent: 100 }],
          deliveries: [
            { channel: 'console', state: 'delivered' },
            { channel: 'file', state: 'delivered' },
            { channel: 'hook', state: 'dead', tries: 1 },
          ],
        },
      ],
    });
    receiver.answer = () => ({ status: 200 });
    expect((await alerts('retry')).stdout).toMatch(/^1 delivery to hook will be tried/);
    expect((await monitor(config)).stderr).toBe('');
    expect(receiver.taken).toHaveLength(1);
    const id = document.alerts[0]!.id;
    expect((await alerts('ack', id.slice(-8))).stdout).toContain('is taken care of by ');
    expect((await list()).alerts[0]!.ackedAt).not.toBeNull();
    const acked = await alerts('ack', id, '--json');
    expect(schemaProblems('alerts-ack', JSON.parse(acked.stdout))).toBe('');
  });

  it('silences channels but neither console nor alert log', async () => {
    const receiver = await httpReceiver();
    const config = configured(hookTo(receiver));
    const silent = await alerts('silence', '--for', '2h', '--reason', 'load test');
    expect(silent.stdout).toMatch(/^Silent until \d{4}-/);
    await use(target, 133_000);
    expect((await monitor(config)).stderr).toContain('CRITICAL');
    expect(receiver.posted).toEqual([]);
    expect((await alerts()).stdout).toMatch(/^! Silent until .*: load test\n/);
    expect((await alerts('silence', '--off')).stdout).toMatch(/^The silence is over/);
    await monitor(config);
    expect(receiver.taken).toHaveLength(1);
    expect((await alerts('silence', '--off')).stdout).toBe('There was no silence.\n');
  });

  it('goes on delivering while a monitor runs, and after one that was killed', async () => {
    const receiver = await httpReceiver();
    const config = configured(hookTo(receiver));
    const start = () =>
      startCli(cli, ['monitor', '--interval', '1', '--database', target.url, '--config', config]);
    const killed = start();
    await killed.prints('stdout', 'OK  0.00 %');
    await use(target, 112_000);
    await killed.prints('stderr', 'WARNING 80.00 %');
    const untold = async (): Promise<string[]> =>
      (await list()).alerts.flatMap(({ deliveries }) =>
        deliveries.flatMap(({ channel, state }) => (state === 'delivered' ? [] : [channel])),
      );
    await expect.poll(untold, { timeout: 10_000 }).toEqual([]);
    expect(receiver.taken).toHaveLength(1);
    killed.child.kill('SIGKILL');
    await killed.done;
    await use(target, 25_200);
    const second = start();
    await second.prints('stderr', 'EMERGENCY 98.00 %');
    await expect.poll(() => receiver.taken.length).toBe(2);
    second.child.kill('SIGTERM');
    expect((await second.done).code).toBe(0);
    expect(await untold()).toEqual([]);
  });
});

describe('tokenctl alerts test', () => {
  it('sends a message through every channel, and says what came back', async () => {
    const [receiver, smtp] = [await httpReceiver(), await smtpReceiver()];
    receiver.answer = ({ path }) => ({ status: path === '/slack' ? 404 : 200, body: 'no_service' });
    const config = configured(
      hookTo(receiver),
      { type: 'slack', name: 'slack', url: { env: 'SLACK' }, allowPrivate: ['127.0.0.1'] },
      { type: 'email', name: 'mail', smtp: { env: 'SMTP' }, from: 't@b.c', to: 'o@b.c' },
    );
    const env = { SLACK: `${receiver.url}/slack`, SMTP: smtp.url.href };
    const tested = await cli.run(['alerts', 'test', '--config', config, '--json'], { env });
    expect(tested.code).toBe(1);
    const document: unknown = JSON.parse(tested.stdout);
    expect(schemaProblems('alerts-test', document)).toBe('');
    expect(document).toMatchObject({
      channels: [
        { channel: 'hook', ok: true, error: null },
        { channel: 'slack', ok: false, error: 'it answered 404: no_service' },
        { channel: 'mail', ok: true, error: null },
      ],
    });
    expect(smtp.mails[0]!.subject).toMatch(/^\[tokenctl\] TEST: /);
    const one = await cli.run(['alerts', 'test', '--config', config, '--channel', 'hook'], { env });
    expect(one.code).toBe(0);
    expect(one.stdout).toMatch(/^ok hook: told in \d+ ms\n$/);
    const none = await cli.run(['alerts', 'test', '--config', config, '--channel', 'x'], { env });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('one of hook, slack, mail');
  });

  it('and a monitor refuse a channel that can not be used; status goes on', async () => {
    const target = await migratedDatabase('sqlite');
    const config = configured({ type: 'slack', name: 'slack', url: { env: 'SLACK' } });
    for (const args of [
      ['alerts', 'test'],
      ['monitor', '--once', '--database', target.url],
    ]) {
      const refused = await cli.run([...args, '--config', config]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(
        `alerts.channels[0].url in ${config}: the environment has no SLACK`,
      );
    }
    const status = await cli.run(['status', '--config', config, '--database', target.url]);
    expect(status.code).toBe(0);
  });
});

describe('tokenctl alerts silence', () => {
  it.each([
    [['--for', '2h'], '--reason: is needed'],
    [['--reason', 'x'], '--for: is needed'],
    [['--for', '8d', '--reason', 'x'], '--for: must be at most 7d'],
    [['--off', '--for', '2h'], '--off: stands beside --for'],
  ])('%j is refused', async (args, problem) => {
    const { code, stderr } = await cli.run(['alerts', 'silence', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(problem);
  });
});

describe('the roles of docs/database.md', () => {
  it('let an operator take care of alerts, a monitor heed silences, and a screen look', async () => {
    const target = await migratedDatabase('postgresql');
    const urlOf = await grantAsDocumented(target);
    const receiver = await httpReceiver();
    await use(target, 133_000);
    const as = (role: string, ...args: string[]): Promise<CliResult> =>
      cli.run([...args, '--database', urlOf(role), '--config', configured(hookTo(receiver))]);
    const silence = ['alerts', 'silence', '--for', '1h', '--reason', 'test'];
    expect((await as('operator', ...silence)).code).toBe(0);
    expect((await as('monitor', 'monitor', '--once')).stderr).not.toContain('could not be told');
    expect(receiver.posted).toEqual([]);
    expect((await as('operator', 'alerts', 'silence', '--off')).code).toBe(0);
    expect((await as('operator', 'alerts', 'retry')).code).toBe(0);
    const { stdout } = await as('viewer', 'alerts', '--json');
    const { alerts } = JSON.parse(stdout) as AlertsDocument;
    expect((await as('operator', 'alerts', 'ack', alerts[0]!.id)).code).toBe(0);
  });
});

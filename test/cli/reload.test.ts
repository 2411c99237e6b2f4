/** SIGHUP: a monitor takes over channels that the configuration names anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LEVELS_ONLY_CONFIG } from '../support/alerts.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { migratedDatabase } from '../support/databases.ts';
import { until } from '../support/processes.ts';
import { httpReceiver } from '../support/receivers.ts';
import { startCli } from '../support/running-cli.ts';
import { startServiceManager } from '../support/service-manager.ts';

it('a channel is told from the reload on; of a wrong configuration the one before stays', async () => {
  const cli = temporaryCli();
  const target = await migratedDatabase('sqlite');
  const receiver = await httpReceiver();
  const config = join(cli.home, 'config.json');
  const configure = (...channels: object[]): void =>
    writeFileSync(config, JSON.stringify({ alerts: { channels, kinds: LEVELS_ONLY_CONFIG } }));
  const hook = (name: string): object => ({
    ...{ type: 'webhook', name, url: `${receiver.url}/${name}`, allowPrivate: ['127.0.0.1'] },
  });
  const use = (tokens: number): Promise<unknown> =>
    sql(
      target,
      'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
      ['imperium', tokens, tokens],
    );
  const told = (name: string): string[] =>
    receiver.taken
      .filter(({ path }) => path === `/${name}`)
      .map(({ body }) => (JSON.parse(body) as { data: { level: string } }).data.level);

  configure(hook('first'));
  const manager = await startServiceManager();
  const running = startCli(
    cli,
    ['monitor', '--interval', '1', '--database', target.url, '--config', config],
    { env: { NOTIFY_SOCKET: manager.socket } },
  );
  await running.prints('stdout', ' OK ');
  configure(hook('first'), hook('second'));
  running.child.kill('SIGHUP');
  await running.prints('stderr', 'the configuration was read again');
  expect(receiver.posted).toEqual([]);
  await use(112_000);
  await until(() => told('first').length === 1 && told('second').length === 1, 20_000);

  configure({ ...hook('third'), url: 'nowhere' });
  running.child.kill('SIGHUP');
  await running.prints(
    'stderr',
    /the configuration stays as it was: alerts\.channels\[0\]\.url in .*is no URL/,
  );
  await use(21_000);
  await until(() => told('first').length === 2 && told('second').length === 2, 20_000);
  expect(told('second')).toEqual(['warning', 'critical']);

  configure(hook('second'));
  running.child.kill('SIGHUP');
  await running.prints('stderr', /read again[^]*read again/);
  await use(4_200);
  await until(() => told('second').length === 3, 20_000);
  running.child.kill('SIGTERM');
  expect((await running.done).code).toBe(0);
  expect(told('first')).toEqual(['warning', 'critical']);
});

/** The monitor as a service: what systemd hears of it, and what its journal gets. */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, migratedDatabase, MONTH_ALONE } from '../support/databases.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until } from '../support/processes.ts';
import { startCli, type RunningCli } from '../support/running-cli.ts';
import { startServiceManager, type HeardByManager } from '../support/service-manager.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const OK = /^STATUS=\S+Z {1,2}OK {1,2}0\.00 %/;
const LOST = /^STATUS=\S+Z {1,2}LOST {1,2}since /;

/** Without their values, which are times and numbers. */
const names = (messages: readonly (readonly string[])[]): string[] =>
  messages.map((fields) => fields.map((field) => field.replace(/^STATUS=.*/, 'STATUS')).join(' '));

function startService(
  manager: HeardByManager,
  args: readonly string[],
  env: Record<string, string> = {},
): RunningCli {
  return startCli(cli, ['monitor', ...args], { env: { NOTIFY_SOCKET: manager.socket, ...env } });
}

/** Takes a database away, and gives it back. */
async function losable(
  target: DatabaseTarget,
): Promise<{ url: string; lose: () => void; giveBack: () => void }> {
  if (target.kind === 'postgresql') {
    const proxy = await startProxy(target);
    return {
      url: proxy.target.url,
      lose: () => {
        proxy.mode = 'refuses';
        proxy.cut();
      },
      giveBack: () => {
        proxy.mode = 'passes';
      },
    };
  }
  // Where a file lies is known before it is there.
  const away = join(cli.home, 'away.db');
  return {
    url: away,
    lose: () => undefined,
    giveBack: () => renameSync(target.url, away),
  };
}

describe.each(DATABASES)('what the service manager hears on %s', (kind) => {
  it('is that it is ready when the database has answered, each good check, and the end', async () => {
    const { url, lose, giveBack } = await losable(await migratedDatabase(kind));
    lose();
    const manager = await startServiceManager();
    const { child, done } = startService(manager, ['--interval', '1', '--database', url]);
    await manager.hears(LOST);
    // A monitor that sees nothing is neither ready nor alive.
    expect(names(manager.messages)).toEqual(manager.messages.map(() => 'STATUS'));
    giveBack();
    await manager.hears(OK);
    const ready = manager.messages.findIndex((fields) => fields.length > 1);
    expect(names(manager.messages.slice(ready, ready + 1))).toEqual(['READY=1 WATCHDOG=1 STATUS']);
    await manager.hears(OK, ready + 1);
    expect(names(manager.messages.slice(ready + 1, ready + 2))).toEqual(['WATCHDOG=1 STATUS']);
    child.kill('SIGTERM');
    const { code, stderr } = await done;
    expect(code).toBe(0);
    expect(stderr).not.toContain('warning');
    expect(manager.messages.at(-1)).toEqual(['STOPPING=1', 'STATUS=stopping']);
    expect(manager.messages.flat().filter((field) => field === 'READY=1')).toHaveLength(1);
  });
});

describe('what the service manager hears', () => {
  it('is no sign of life while a database is lost, and one again when it is back', async () => {
    const { url, lose, giveBack } = await losable(await migratedDatabase('postgresql'));
    const manager = await startServiceManager();
    startService(manager, ['--interval', '1', '--database', url]);
    await manager.hears(OK);
    lose();
    await manager.hears(LOST);
    const lost = manager.messages.findIndex((fields) => fields.some((field) => LOST.test(field)));
    await manager.hears(LOST, lost + 1);
    expect(names(manager.messages.slice(lost, lost + 2))).toEqual(['STATUS', 'STATUS']);
    giveBack();
    await manager.hears(OK, lost);
    expect(names(manager.messages).at(-1)).toBe('WATCHDOG=1 STATUS');
  });

  it('is a reload on SIGHUP, which takes over the configuration at once', async () => {
    const [first, second] = [await migratedDatabase('sqlite'), await migratedDatabase('sqlite')];
    await sql(
      second,
      'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
      ['imperium', 70_000, 70_000],
    );
    const config = join(cli.home, 'config.json');
    const use = (text: string): void => writeFileSync(config, text);
    use(JSON.stringify({ database: first.url }));
    const manager = await startServiceManager();
    const running = startService(manager, ['--config', config]);
    await manager.hears(OK);
    use(JSON.stringify({ database: second.url }));
    running.child.kill('SIGHUP');
    await manager.hears(/50\.00 %/);
    expect(names(manager.messages)).toEqual([
      'READY=1 WATCHDOG=1 STATUS',
      'RELOADING=1 STATUS',
      'READY=1',
      'WATCHDOG=1 STATUS',
    ]);
    use('{ "databse": 1 }');
    running.child.kill('SIGHUP');
    await running.prints('stderr', /the configuration stays as it was: .*has no key "databse"/);
    await until(() => manager.messages.length === 7, 20_000);
    expect(manager.messages.at(-1)!.at(-1)).toMatch(/50\.00 %/);
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  });

  it('comes at least twice in the time of its watchdog, whatever the interval', async () => {
    const target = await migratedDatabase('sqlite');
    const manager = await startServiceManager();
    startService(manager, ['--interval', '3600', '--database', target.url], {
      WATCHDOG_USEC: '2000000',
    });
    await manager.hears(OK);
    await manager.hears(OK, 1);
  });

  it('is said once to be missing where nothing can tell it', async () => {
    const target = await migratedDatabase('sqlite');
    const running = startCli(cli, ['monitor', '--interval', '1', '--database', target.url], {
      env: { NOTIFY_SOCKET: join(cli.home, 'nobody') },
    });
    await until(() => running.lines().length >= 3, 20_000);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.done;
    expect(code).toBe(0);
    expect(stderr.match(/the service manager could not be told how things are: /g)).toHaveLength(1);
  });
});

describe('SIGHUP', () => {
  it('ends a monitor that no service manager has started', async () => {
    const target = await migratedDatabase('sqlite');
    const running = startCli(cli, ['monitor', '--database', target.url]);
    await running.prints('stdout', 'OK');
    running.child.kill('SIGHUP');
    expect((await running.done).code).toBe(null);
  });
});

describe("the journal's priorities", () => {
  /** What a service writes when both of its streams go to the journal, as they do in systemd. */
  async function journal(args: string[], stream: 'its own' | 'another'): Promise<string> {
    const file = join(cli.home, 'journal');
    writeFileSync(file, '');
    const { dev, ino } = statSync(file);
    const inode = stream === 'its own' ? ino : ino + 1;
    await cli.run(args, {
      env: { JOURNAL_STREAM: `${String(dev)}:${String(inode)}` },
      shell: `"$@" >>'${file}' 2>&1`,
    });
    return readFileSync(file, 'utf8');
  }

  it('stand before each line, by what it says', async () => {
    const target = await migratedDatabase('sqlite', undefined, MONTH_ALONE);
    const check = () => journal(['monitor', '--once', '--database', target.url], 'its own');
    const use = (tokens: number) =>
      sql(
        target,
        'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
        ['imperium', tokens, tokens],
      );
    expect(await check()).toMatch(/^<6>\S+ {2}OK .*\n$/);
    await use(112_000);
    expect(await check()).toMatch(/^<4>tokenctl: WARNING .*\n<4>\S+ {2}WARNING .*\n$/);
    await use(21_000);
    expect(await check()).toMatch(/^<3>tokenctl: CRITICAL .*\n<3>\S+ {2}CRITICAL .*\n$/);
    await use(4_200);
    expect(await check()).toMatch(/^<2>tokenctl: EMERGENCY .*\n<2>\S+ {2}EMERGENCY .*\n$/);
    const missing = ['monitor', '--once', '--database', join(cli.home, 'none.db')];
    expect(await journal(missing, 'its own')).toMatch(/^<3>\S+ {2}LOST .*\n$/);
    const wrong = await journal(['monitor', '--interval', '0'], 'its own');
    expect(wrong).toMatch(/^<3>tokenctl: --interval.*\n(<3>.*\n)*$/);
  });

  it('stand nowhere else: not in a file beside, and not in JSON', async () => {
    const target = await migratedDatabase('sqlite');
    const args = ['monitor', '--once', '--database', target.url];
    expect(await journal(args, 'another')).toMatch(/^\d{4}-/);
    expect(await journal([...args, '--json'], 'its own')).toMatch(/^\{/);
  });
});

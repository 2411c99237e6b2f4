/** A month goes up through its levels, is reset and goes up again, while monitors are killed: each channel hears it once, in order. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { LEVELS_ONLY_CONFIG } from '../support/alerts.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, migratedDatabase } from '../support/databases.ts';
import { until } from '../support/processes.ts';
import { httpReceiver, smtpReceiver } from '../support/receivers.ts';
import { startCli, type RunningCli } from '../support/running-cli.ts';

const LIMIT = 140_000;
const SEED = 20_261_124;

/** What a step brings the month to, in percent, and what every channel has heard then. */
const STORY: readonly { readonly percent: number | 'reset'; readonly hears: readonly string[] }[] =
  [
    { percent: 79, hears: [] },
    { percent: 81, hears: ['raised warning'] },
    { percent: 96, hears: ['raised critical'] },
    { percent: 99, hears: ['raised emergency'] },
    { percent: 'reset', hears: ['resolved emergency'] },
    { percent: 85, hears: ['raised warning'] },
  ];

/** From 0 up to 1, the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The first of each id, in the order in which they came. */
function firstOfEach(heard: readonly (readonly [id: string, what: string])[]): string[] {
  return [...new Map(heard.toReversed()).entries()]
    .toSorted(([a], [b]) => placeOf(heard, a) - placeOf(heard, b))
    .map(([, what]) => what);
}

function placeOf(heard: readonly (readonly [string, string])[], id: string): number {
  return heard.findIndex(([each]) => each === id);
}

interface AlertLogLine {
  readonly level: string;
  readonly data: { readonly alert_level: string };
}

interface Ears {
  readonly env: Record<string, string>;
  readonly config: string;
  /** What each channel has heard. */
  heard(): Record<'hook' | 'slack' | 'mail' | 'file', string[]>;
}

async function listen(cli: Cli): Promise<Ears> {
  const [http, smtp] = [await httpReceiver(), await smtpReceiver()];
  const allowPrivate = ['127.0.0.1'];
  const config = join(cli.home, 'config.json');
  const channels = [
    { type: 'webhook', name: 'hook', url: `${http.url}/hook`, allowPrivate },
    { type: 'slack', name: 'slack', url: { env: 'SLACK' }, allowPrivate },
    { type: 'email', name: 'mail', smtp: { env: 'SMTP' }, from: 't@b.c', to: 'o@b.c' },
  ];
  writeFileSync(config, JSON.stringify({ alerts: { channels, kinds: LEVELS_ONLY_CONFIG } }));
  const log = join(cli.home, 'data', 'tokenctl', 'token_usage_alerts.json');
  const wordsOf = (title: string): string => {
    const [, resolved, level = ''] = /(Resolved )?(WARNING|CRITICAL|EMERGENCY)/.exec(title) ?? [];
    return `${resolved === undefined ? 'raised' : 'resolved'} ${level.toLowerCase()}`;
  };
  return {
    env: { SLACK: `${http.url}/slack`, SMTP: smtp.url.href },
    config,
    heard: () => ({
      hook: firstOfEach(
        http.taken
          .filter(({ path }) => path === '/hook')
          .map(({ headers, body }) => {
            const { type, data } = JSON.parse(body) as { type: string; data: { level: string } };
            return [String(headers['webhook-id']), `${type.replace('alert.', '')} ${data.level}`];
          }),
      ),
      // Slack knows no id: what is told again is the same message.
      slack: firstOfEach(
        http.taken
          .filter(({ path }) => path === '/slack')
          .map(({ body }) => [body, wordsOf((JSON.parse(body) as { text: string }).text)]),
      ),
      mail: firstOfEach(
        smtp.mails.map(({ messageId, subject }) => [messageId ?? '', wordsOf(subject ?? '')]),
      ),
      file: firstOfEach(
        (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [])
          .filter((line) => line !== '')
          .map((line) => {
            const { level, data } = JSON.parse(line) as AlertLogLine;
            const event = level === 'RESOLVED' ? 'resolved' : 'raised';
            return [line, `${event} ${data.alert_level.toLowerCase()}`];
          }),
      ),
    }),
  };
}

/** What a killed monitor had begun to tell waits for half a minute: as if that were over. */
function letTimePass(target: DatabaseTarget): Promise<unknown> {
  return sql(target, `UPDATE alert_deliveries SET next_try_at_ms = 0 WHERE state = 'waiting'`);
}

it.each(DATABASES.flatMap((kind) => [1, 2].map((monitors) => [kind, monitors] as const)))(
  'on %s, by monitors that are killed and started again: %i',
  async (kind, monitors) => {
    const cli = temporaryCli();
    const target = await migratedDatabase(kind);
    const limits = ['daily=off', 'hourly=off', '--reason', 'test', '--database', target.url];
    expect((await cli.run(['limits', 'set', ...limits])).code).toBe(0);
    const ears = await listen(cli);
    const start = (): RunningCli =>
      startCli(
        cli,
        ['monitor', '--interval', '1', '--database', target.url, '--config', ears.config],
        { env: ears.env },
      );
    const random = seeded(SEED + monitors);
    const running = Array.from({ length: monitors }, start);
    let used = 0;
    const hears: string[] = [];
    for (const { percent, hears: now } of STORY) {
      if (percent === 'reset') {
        const reset = ['reset', '--reason', 'test', '--yes', '--database', target.url];
        expect((await cli.run(reset)).code).toBe(0);
        used = 0;
      } else {
        const more = (LIMIT * percent) / 100 - used;
        used += more;
        await sql(
          target,
          'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
          ['imperium', more, more],
        );
      }
      hears.push(...now);
      // Anywhere between two checks, in one, or in what it tells.
      const killed = (now.length === 0 ? [] : running).map(async (monitor, place) => {
        await new Promise((resolve) => setTimeout(resolve, random() * 500));
        monitor.child.kill('SIGKILL');
        await monitor.done;
        running[place] = start();
      });
      await Promise.all(killed);
      const wanted = { hook: hears, slack: hears, mail: hears, file: hears };
      for (let tries = 0; tries < 20 && !same(ears.heard(), wanted); tries += 1) {
        await letTimePass(target);
        const soon = performance.now() + 1_000;
        await until(() => same(ears.heard(), wanted) || performance.now() > soon, 5_000);
      }
      expect(ears.heard()).toEqual(wanted);
    }
  },
);

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

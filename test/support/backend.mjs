/**
 * A backend as a process of its own, on the built library. It says `ready`, does what each line of
 * its input asks (a JSON object with `do`), and answers each with one line.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { openTokenctl } from 'tokenctl';
import { churn } from './churn.mjs';

const { databaseUrl, timeoutMs } = JSON.parse(process.argv[2]);
const tokenctl = await openTokenctl({ databaseUrl, config: { timeoutMs } });
const request = (tokens, aiType = 'imperium') => ({
  aiType,
  estimate: { input: tokens, output: 0 },
});

const work = {
  /** Reserves with some callers at once until each was refused, or made `most` reservations. */
  async spend({ tokens, callers, most = Infinity }) {
    const ids = [];
    const codes = {};
    let slowestMs = 0;
    const caller = async () => {
      for (let made = 0; made < most; made += 1) {
        const start = performance.now();
        const { admitted, reservation, reasons } = await tokenctl.reserve(request(tokens));
        slowestMs = Math.max(slowestMs, performance.now() - start);
        if (!admitted) {
          for (const { code } of reasons) codes[code] = (codes[code] ?? 0) + 1;
          return;
        }
        ids.push(reservation.id);
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return { ids, codes, slowestMs };
  },

  /** Ends reservations: `{ id, input, output }` settles, with `unknown` as such, with `release` drops. */
  async end({ endings }) {
    const end = async ({ id, input, output, unknown, release }) => {
      try {
        if (release) return await tokenctl.release(id);
        const usage = unknown ? { unknown: true } : { inputTokens: input, outputTokens: output };
        return await tokenctl.settle(id, usage);
      } catch (error) {
        return { id, code: error.code };
      }
    };
    return Promise.all(endings.map(end));
  },

  /** Reserves and settles, going on after denials, until SIGUSR2. */
  async churn({ tokens, callers, aiType }) {
    let going = true;
    process.once('SIGUSR2', () => (going = false));
    return churn(tokenctl, { tokens, callers, aiType, goOn: () => going });
  },

  /** Has SQLite's write lock, as another program would, for so long. */
  async lock({ forMs }) {
    const database = new Sqlite(databaseUrl);
    database.exec('BEGIN IMMEDIATE');
    process.stdout.write('"locked"\n');
    await sleep(forMs);
    database.exec('COMMIT');
    database.close();
    return null;
  },

  /** The limits in force and what is counted, read only. */
  status: () => tokenctl.status(),

  /** Reserves for ever; each acknowledged id is on the disk, in `journal`, before the next is asked for. */
  async journal({ tokens, callers, journal, settles = false }) {
    const file = openSync(journal, 'a');
    const note = (line) => {
      writeSync(file, `${line}\n`);
      fsyncSync(file);
    };
    process.on('exit', () => closeSync(file));
    const caller = async () => {
      for (;;) {
        const { admitted, reservation } = await tokenctl.reserve(request(tokens));
        if (!admitted) return;
        note(`reserved ${reservation.id}`);
        if (!settles || Math.random() < 0.5) continue;
        await tokenctl.settle(reservation.id, { inputTokens: 7, outputTokens: 0 });
        note(`settled ${reservation.id}`);
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return null;
  },

  /** Logs calls past the library, a plain INSERT each; without `at`, the database names the time. */
  async log({ tokens, at = [undefined] }) {
    const insert = (time) => {
      const columns = ['ai_type', 'tokens_in', 'total_tokens', ...(time ? ['created_at'] : [])];
      const values = ["'foreign'", tokens, tokens, ...(time ? [`'${time}'`] : [])];
      return `INSERT INTO token_usage_logs (${columns.join(', ')}) VALUES (${values.join(', ')})`;
    };
    const statements = at.map(insert).join('; ');
    if (databaseUrl.startsWith('postgresql:')) {
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      await client.query(statements);
      await client.end();
    } else {
      const database = new Sqlite(databaseUrl, { timeout: 10_000 });
      database.exec(statements);
      database.close();
    }
    return null;
  },

  /** This process's own clock, in ms; `at` stops it there, where process-clock.mjs is preloaded. */
  async clock({ at }) {
    if (at !== undefined) globalThis.setProcessClock(at);
    return Date.now();
  },
};

process.stdout.write('"ready"\n');
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await work[command.do](command))}\n`);
}
await tokenctl.close();

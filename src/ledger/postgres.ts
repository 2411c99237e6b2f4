import type { Duplex } from 'node:stream';
import pg from 'pg';
import {
  classify,
  explain,
  isMissingDatabase,
  isReadOnly,
  unreachable,
} from './postgres-errors.ts';
import { operations, type Prelude } from './postgres-operations.ts';
import { SQL } from './postgres-statements.ts';
import type { Connection, Mode, Operations } from './port.ts';
import { postgresTarget, type PostgresTarget } from './postgres-url.ts';
import { runAsync, type Step } from './steps.ts';

/** The ledger's PostgreSQL dialect: one connection, an advisory lock in its own statement, UTC. */

export interface PostgresOptions {
  readonly url: string;
  /** Replaces the database's clock, for tests. */
  readonly nowMs?: () => number;
  /** The longest that connecting, one statement or the wait for a turn may take, in ms; a transaction takes at most twice that. */
  readonly timeoutMs?: number;
  /** Runs on every new connection, before anything else: refuses a schema that does not fit. */
  readonly onConnect?: (client: pg.Client) => Promise<void>;
}

/** The longest that connecting may take, in ms, also where a transaction may take minutes. */
const CONNECT_MOST_MS = 10_000;
/** Due holds charged and deltas folded by one batch, at most. */
const EXPIRED_AT_ONCE = 256;
const FOLDED_AT_ONCE = 10_000;

/**
 * Connects one client, with a session whose times are UTC and whose waits are bounded. Its statements
 * touch few rows by index; without the planner settings a plan made while the tables were empty
 * would read them whole once they have grown.
 */
export async function connectPostgres(
  target: PostgresTarget,
  timeoutMs: number,
  onStart?: (client: pg.Client) => void,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...target.config,
    application_name: 'tokenctl',
    connectionTimeoutMillis: Math.min(timeoutMs, CONNECT_MOST_MS),
    query_timeout: timeoutMs * 2,
    keepAlive: true,
    types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
  });
  // A connection lost while idle is reported here; the next statement fails and reconnects.
  client.on('error', () => undefined);
  onStart?.(client);
  try {
    await client.connect();
    await client.query(
      `SET TIME ZONE 'UTC'; SET synchronous_commit = on; SET lock_timeout = ${String(timeoutMs)};
       SET statement_timeout = ${String(timeoutMs)}; SET idle_in_transaction_session_timeout = ${String(timeoutMs * 2)};
       SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
       SET search_path = ${pg.escapeIdentifier(target.schema)}, pg_temp`,
    );
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** Hangs up at once: what waits for an answer fails with the error. */
function cutOff(client: pg.Client, error?: Error): void {
  const { connection } = client as unknown as { connection: { stream: Duplex } };
  connection.stream.destroy(error);
}

/** Ends a connection; a peer that does not say goodbye in time is hung up on, or it would never end. */
async function hangUp(client: pg.Client, timeoutMs: number): Promise<void> {
  const timer = setTimeout(() => cutOff(client), Math.min(timeoutMs, 1_000));
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** bigint's type number in PostgreSQL. */
const INT8 = 20;

function parserOf(oid: number, format: 'text' | 'binary' = 'text'): unknown {
  const usual = pg.types.getTypeParser as (oid: number, format: string) => unknown;
  return oid === INT8 ? readBigint : usual(oid, format);
}

/** Sums above 2^53 - 1 are read as that, which is above every limit. */
function readBigint(text: string): number {
  const value = Number(text);
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value;
}

export function openPostgres(options: PostgresOptions): Connection {
  const target = postgresTarget(options.url);
  const timeoutMs = options.timeoutMs ?? 5_000;
  const now =
    options.nowMs === undefined
      ? 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
      : null;
  let client: pg.Client | null = null;
  /** The same, or what is still connecting. */
  let newest: pg.Client | null = null;
  /** Transactions take turns on the one connection. */
  let turn: Promise<unknown> = Promise.resolve();
  const tooLate = (): Error => new Error(`timeout: no answer within ${String(timeoutMs)} ms`);

  const drop = (): void => {
    const lost = client;
    client = null;
    // Not waited for: the peer may be gone.
    if (lost !== null) void hangUp(lost, timeoutMs);
  };

  const connect = async (): Promise<pg.Client> => {
    const fresh = await connectPostgres(target, timeoutMs, (starting) => {
      newest = starting;
    }).catch((error: unknown) => {
      throw isMissingDatabase(error) ? unreachable(target, error) : error;
    });
    try {
      await options.onConnect?.(fresh);
    } catch (error) {
      fresh.end().catch(() => undefined);
      throw error;
    }
    return fresh;
  };

  const run = async <T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> => {
    client ??= await connect();
    const open = client;
    try {
      const nowSql = now ?? String(options.nowMs?.() ?? 0);
      const results = (await open.query(
        mode === 'read'
          ? SQL.beginRead(nowSql)
          : SQL.beginWrite(nowSql, EXPIRED_AT_ONCE, FOLDED_AT_ONCE),
      )) as unknown as pg.QueryResult<Prelude>[];
      const prelude = results.at(-1)?.rows[0];
      if (prelude === undefined) throw new Error('PostgreSQL answered nothing to BEGIN');
      const result = await runAsync(work(operations(open, prelude)));
      await open.query('COMMIT');
      return result;
    } catch (error) {
      if (classify(error) === 'lost' || isReadOnly(error)) drop();
      else await open.query('ROLLBACK').catch(drop);
      throw error;
    }
  };

  /** Connecting and every statement together: each alone in time may be too long in sum. */
  const runInTime = async <T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> => {
    const timer = setTimeout(() => {
      if (newest !== null) cutOff(newest, tooLate());
    }, timeoutMs * 2);
    return run(mode, work).finally(() => clearTimeout(timer));
  };

  return {
    kind: 'postgresql',
    location: target.location,
    transaction(mode, work) {
      return new Promise((resolve, reject) => {
        let waits = true;
        const timer = setTimeout(() => {
          waits = false;
          reject(tooLate());
        }, timeoutMs);
        turn = turn.then(async () => {
          clearTimeout(timer);
          if (waits) await runInTime(mode, work).then(resolve, reject);
        });
      });
    },
    classify,
    explain,
    async close() {
      await turn;
      const open = client;
      client = null;
      if (open !== null) await hangUp(open, timeoutMs);
    },
  };
}

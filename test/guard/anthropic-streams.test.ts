import type Anthropic from '@anthropic-ai/sdk';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import {
  drained,
  failure,
  HELLO,
  INPUT,
  openBudgetedClient,
  scenario,
} from '../support/anthropic-client.ts';
import { DATABASES } from '../support/databases.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { until } from '../support/processes.ts';

/** Has the ledger's lock, as another program would, until it is let go. */
async function lockLedger(target: DatabaseTarget): Promise<() => Promise<void>> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url);
    database.exec('BEGIN IMMEDIATE');
    return async () => {
      database.close();
    };
  }
  const client = await foreignClient(target);
  await client.query('BEGIN');
  await client.query(
    `SELECT pg_advisory_xact_lock(hashtextextended('tokenctl.' || current_schema(), 0))`,
  );
  return async () => {
    await client.query('COMMIT');
  };
}

describe.each(DATABASES)('a stream on %s', (kind) => {
  const open = async (maxTokens = 100) => {
    const opened = await openBudgetedClient(kind);
    const body = { ...HELLO, max_tokens: maxTokens, stream: true } as const;
    const stream = await opened.client.messages.create(body, scenario('slow'));
    const call = opened.api.calls[0]!;
    /** Reads until so many deltas came. */
    const read = async (deltas: number): Promise<void> => {
      call.send(deltas);
      let seen = 0;
      for await (const event of stream) {
        if (event.type === 'content_block_delta') seen += 1;
        if (seen === deltas) break;
      }
    };
    return { ...opened, stream, call, read };
  };
  const delivered = { used: INPUT + 26, held: 0, requests: 1, failed: 1 };

  it('that its reader leaves stops the provider, and is charged what was delivered', async () => {
    const { read, call, ended } = await open();
    await read(2);
    await until(() => call.state === 'aborted');
    expect(await ended()).toEqual(delivered);
  });

  it('that is aborted while nobody reads it is charged what was delivered', async () => {
    const { stream, call, ended } = await open();
    const events: AsyncIterator<Anthropic.RawMessageStreamEvent> = stream[Symbol.asyncIterator]();
    call.send(2);
    for (let seen = 0; seen < 2;) {
      const next = await events.next();
      if (next.done !== true && next.value.type === 'content_block_delta') seen += 1;
    }
    stream.controller.abort();
    await until(() => call.state === 'aborted');
    expect(await ended()).toEqual(delivered);
  });

  it('that is cut infers no more output than was reserved', async () => {
    const { read, ended } = await open(20);
    await read(3);
    expect((await ended()).used).toBe(INPUT + 20);
  });

  it('ends for its reader while the ledger is slow, and is settled when it can be', async () => {
    const { stream, call, target, ended } = await open();
    const letGo = await lockLedger(target);
    call.end();
    await drained(stream);
    expect(call.state).toBe('ended');
    await letGo();
    expect(await ended()).toEqual({ ...delivered, failed: 0, used: INPUT + 39 });
  });

  it.each(['cut:2', 'error:2'])(
    'that breaks off (%s) is charged what was delivered',
    async (name) => {
      const { client, ended } = await openBudgetedClient(kind);
      await failure(client.messages.stream(HELLO, scenario(name)).done());
      expect(await ended()).toEqual(delivered);
    },
  );
});

/** Many clients over HTTP, one budget: nothing is admitted twice, nothing past the limit, whatever dies. */
import { describe, expect, it } from 'vitest';
import { ask, openApi, startApi, type RunningApi } from '../support/api.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const RESERVE = '/api/v1/reservations';
const CLIENTS = 50;
const TOKENS = 10;

interface Verdict {
  readonly admitted: boolean;
  readonly reservation: { readonly id: string } | null;
}

describe.each(DATABASES)('50 clients, one budget, on %s', (kind) => {
  it('exactly the limit is admitted, and a retry with the same id counts once', async () => {
    const limit = 100;
    const { api, token, app } = await openApi(kind, { limits: { hourly: limit * TOKENS } });
    const secret = await token({ scopes: ['reserve'] });
    const admitted = new Set<string>();
    const client = async (name: number): Promise<void> => {
      for (let call = 0; call < 5; call += 1) {
        const requestId = `c${String(name)}-${String(call)}`;
        const body = { aiType: 'imperium', estimate: { input: TOKENS, output: 0 }, requestId };
        // The second is the retry of a client that got no answer.
        const answers = await Promise.all(
          [0, 1].map(() => ask<Verdict>(api.url, RESERVE, { body, token: secret })),
        );
        const ids = answers.flatMap(({ body: { reservation } }) => reservation?.id ?? []);
        expect(new Set(ids).size).toBeLessThanOrEqual(1);
        for (const id of ids) admitted.add(id);
        for (const { status } of answers) expect([201, 429]).toContain(status);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));
    expect(admitted.size).toBe(limit);
    expect((await app.status()).windows[0]).toMatchObject({ held: limit * TOKENS, used: 0 });
  }, 60_000);

  it('the server killed and started again in the middle: what was answered is kept, once', async () => {
    const limit = 200;
    const opened = await openApi(kind, { limits: { hourly: limit * TOKENS } });
    const secret = await opened.token({ scopes: ['reserve'] });
    const port = Number(new URL(opened.api.url).port);
    let api: RunningApi = opened.api;
    let restarting = null as Promise<void> | null;
    let answered = 0;
    let kills = 0;
    const restart = async (): Promise<void> => {
      api.child.kill('SIGKILL');
      await api.done;
      kills += 1;
      api = await startApi(opened.target.url, { port });
      restarting = null;
    };
    /** Until there is an answer: what a client does that must know. */
    const insist = async (path: string, body: object) => {
      for (;;) {
        try {
          const answer = await ask<Verdict>(api.url, path, { body, token: secret });
          answered += 1;
          if (answered % 120 === 0) restarting ??= restart();
          if (answer.status !== 503) return answer;
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          await restarting;
        }
      }
    };
    const kept: string[] = [];
    const client = async (name: number): Promise<void> => {
      for (let call = 0; call < 8; call += 1) {
        const requestId = `c${String(name)}-${String(call)}`;
        const estimate = { input: TOKENS, output: 0 };
        const { body } = await insist(RESERVE, { aiType: 'imperium', estimate, requestId });
        const id = body.reservation?.id;
        if (id === undefined) continue;
        kept.push(id);
        const used = { inputTokens: TOKENS, outputTokens: 0 };
        const ended = await insist(`${RESERVE}/${id}/settle`, used);
        expect(ended).toMatchObject({ status: 200, body: { charged: TOKENS } });
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));
    await restarting;
    expect(kills).toBeGreaterThan(1);
    expect(new Set(kept).size).toBe(limit);
    const rows = await sql(
      opened.target,
      "SELECT id FROM token_usage_logs WHERE state = 'settled'",
    );
    expect(rows.map(({ id }) => String(id)).toSorted()).toEqual(kept.toSorted());
    const { windows } = await opened.app.status();
    expect(windows[0]).toMatchObject({ used: limit * TOKENS, held: 0 });
    expect(await opened.app.verify({ repair: false })).toEqual([]);
  }, 120_000);
});

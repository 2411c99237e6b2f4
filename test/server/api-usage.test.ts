import { beforeEach, describe, expect, it } from 'vitest';
import { openApi, type OpenedApi } from '../support/api.ts';
import { foreignLog } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const USAGE = '/api/v1/usage';
const DENIALS = '/api/v1/denials';

const REFUSED = [
  ['?by=week', 'by', 'is none of its values'],
  ['?by=hour,day', 'by', 'are both times'],
  ['?since=yesterday', 'since', 'is no time'],
  ['?since=2025-02-30', 'since', 'is no time'],
  ['?since=0d', 'since', 'must be longer than 0'],
  ['?since=24h&until=48h', 'until', 'must be later than since'],
  ['?since=2999-01-01', 'since', 'lies in the future'],
  ['?until=2025-01-01', 'until', 'needs since'],
  ['?month=2025-13', 'month', 'is no month'],
  ['?month=2025-01&since=2025-01-01', 'month', 'does not go with since and until'],
  ['?since=1990-01-01&by=hour', 'by', 'group by day'],
  ['?limit=0', 'limit', 'must be at least 1'],
  ['?limit=1.5', 'limit', 'must be a whole number'],
  ['?aiType=no%20name', 'aiType', ''],
  ['?sort=big', 'sort', 'is none of its values'],
  ['?groupBy=day', 'groupBy', 'is not known here'],
  ['?by=day&by=model', 'by', ''],
] as const;

describe.each(DATABASES)('usage and denials by HTTP on %s', (kind) => {
  let opened: OpenedApi;
  beforeEach(async () => {
    opened = await openApi(kind, { limits: { request: 500 } });
    await foreignLog(opened.target, '2025-01-15 10:20:00', 300);
    await foreignLog(opened.target, '2025-01-15 11:20:00', 100, 'sandbox');
    await foreignLog(opened.target, '2025-02-01 00:00:00', 7, 'sandbox');
  });

  it('answers what tokenctl usage prints', async () => {
    const path = `${USAGE}?since=2025-01-15&until=2025-01-15T12:00:00Z&by=hour,ai-type`;
    const { status, body } = await opened.ask(path, { token: null });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      since: '2025-01-15T00:00:00.000Z',
      until: '2025-01-15T12:00:00.000Z',
      by: ['hour', 'ai-type'],
      rows: [
        { hour: '2025-01-15T10', aiType: 'guardian', used: 300 },
        { hour: '2025-01-15T11', aiType: 'sandbox', used: 100 },
      ],
      ...{ other: null, total: { used: 400 } },
    });
    const { body: month } = await opened.ask(`${USAGE}?month=2025-02&aiType=Sandbox&by=day`);
    expect(month).toMatchObject({ rows: [{ day: '2025-02-01', used: 7 }], total: { used: 7 } });
    const { body: most } = await opened.ask(`${USAGE}?month=2025-01&limit=1`);
    expect(most).toMatchObject({ rows: [{ aiType: 'guardian' }], other: { rows: 1, used: 100 } });
    expect((await opened.ask(USAGE)).body).toMatchObject({ rows: [], total: { used: 0 } });
  });

  it('takes since and until as the command line does', async () => {
    const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
    await foreignLog(opened.target, ago(5), 40, 'imperium');
    await foreignLog(opened.target, ago(36), 5, 'imperium');
    for (const [query, used] of [
      ['since=24h', 40],
      ['since=1d', 40],
      ['since=90%20m&until=1s', 0],
      ['since=30d', 45],
      ['since=48h&until=24h', 5],
      ['since=2025-01-15T10&until=2025-01-15', null],
      ['since=2025-01-15T12:00%2B02:00&until=2025-01-15%2011:00', 300],
      ['since=2025-01-15T10:00&until=2025-01-15T11:00:00.5Z', 400],
    ] as const) {
      const { status, body } = await opened.ask(`${USAGE}?${query}`);
      const total = (body['total'] ?? null) as { used: number } | null;
      expect([query, status, total?.used ?? null]).toEqual([
        query,
        used === null ? 400 : 200,
        used,
      ]);
    }
  });

  it('says with an ETag that nothing is new', async () => {
    const path = `${USAGE}?month=2025-01`;
    const { headers } = await opened.ask(path);
    const seen = { headers: { 'if-none-match': headers.get('etag')! } };
    expect((await opened.ask(path, seen)).status).toBe(304);
    await foreignLog(opened.target, '2025-01-20 10:00:00', 1);
    expect((await opened.ask(path, seen)).status).toBe(200);
  });

  it('refuses what can not be asked, and names the parameter', async () => {
    for (const [query, field, problem] of REFUSED) {
      const { status, body } = await opened.ask(USAGE + query);
      expect([query, status, body['code'], body['field']]).toEqual([
        ...[query, 400, 'invalid_input', field],
      ]);
      expect(`${String(body['detail'])} ${String(body['fix'])}`).toContain(problem);
    }
  });

  it('has the newest denials, each with the rules that it broke', async () => {
    expect((await opened.ask(DENIALS, { token: null })).body).toEqual({ denials: [] });
    for (const input of [900, 800]) {
      const estimate = { input, output: 0 };
      const more = { model: 'claude', requestId: `req-${String(input)}` };
      await opened.guard.reserve({ aiType: 'imperium', estimate, ...more });
    }
    const { body } = await opened.ask<{ denials: object[] }>(DENIALS);
    expect(body.denials).toHaveLength(2);
    expect(body.denials[0]).toEqual({
      time: expect.stringMatching(/Z$/) as string,
      id: expect.any(String) as string,
      ...{ requestId: 'req-800', aiType: 'imperium', model: 'claude', requestedTokens: 800 },
      ...{ count: 1, codes: ['request_too_large'], canEverPass: false, retryAt: null },
      explanation: ['a request of 800 tokens can never pass: the limit of a request is 500'],
      fix: `tokenctl --database ${opened.target.location} limits set request=800`,
      fixes: [`tokenctl --database ${opened.target.location} limits set request=800`],
    });
    expect(
      (await opened.ask<{ denials: object[] }>(`${DENIALS}?limit=1`)).body.denials,
    ).toHaveLength(1);
    for (const limit of ['0', '101', 'all']) {
      const { status, body: refused } = await opened.ask(`${DENIALS}?limit=${limit}`);
      expect([status, refused['field']]).toEqual([400, 'limit']);
    }
  });
});

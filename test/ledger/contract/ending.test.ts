import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens });
const expired = (error: string) => ({ code: error });

describe.each(DATABASES)('how a reservation ends on %s', (kind) => {
  it.each([
    ['below', 40, 10],
    ['equal to', 60, 40],
    ['above', 900, 300],
    ['of nothing against', 0, 0],
  ])('replaces the hold by a usage %s the reservation', async (_, input, output) => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 1_000 } });
    const id = idOf(await guard.reserve(tokens(60, 40)));
    expect(await counts(app)).toEqual(everywhere(0, 100));
    const ending = await guard.settle(id, usage(input, output));
    expect(ending).toEqual({ id, state: 'settled', charged: input + output });
    expect(await counts(app)).toEqual(everywhere(input + output, 0));
    const [window] = (await app.status()).windows;
    expect(window).toMatchObject({
      inputTokens: input,
      outputTokens: output,
      failed: 0,
      requests: 1,
    });
  });

  it('lets usage above the reservation stand above the limit, and denies from then on', async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 500 } });
    const id = idOf(await guard.reserve(tokens(100)));
    await guard.settle(id, usage(700, 1));
    const status = await app.status();
    expect(status.windows[2]).toMatchObject({
      used: 701,
      limit: 500,
      remaining: 0,
      percent: 140.2,
    });
    expect(status.largestAdmissible).toBe(0);
    expect((await guard.reserve(tokens(1))).reasons).toMatchObject([{ used: 701, requested: 1 }]);
  });

  it('charges the hold in full where the usage is unknown', async () => {
    const { app, guard, target } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(60, 40)));
    const ending = await guard.settle(id, { unknown: true, error: new Error('socket hang up') });
    expect(ending).toEqual({ id, state: 'settled', charged: 100 });
    expect(await counts(app)).toEqual(everywhere(100, 0));
    const [window] = (await app.status()).windows;
    expect(window).toMatchObject({ inputTokens: 60, outputTokens: 40, failed: 1 });
    expect(await sql(target, 'SELECT error_message FROM token_usage_logs')).toEqual([
      { error_message: 'socket hang up' },
    ]);
  });

  it('settles once: the first usage stays, whatever is reported again', async () => {
    const { app, guard } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(100)));
    const endings = await Promise.all([
      guard.settle(id, usage(30, 1)),
      guard.settle(id, usage(50, 0)),
      guard.settle(id, { unknown: true }),
    ]);
    endings.push(await guard.settle(id, usage(99, 0)));
    expect(endings).toEqual(Array(4).fill({ id, state: 'settled', charged: 31 }));
    expect(await counts(app)).toEqual(everywhere(31, 0));
  });

  it('says what is charged, also where another program changed a part of the row', async () => {
    const { app, guard, target } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(100)));
    await guard.settle(id, usage(30, 1));
    await sql(target, 'UPDATE token_usage_logs SET tokens_in = 50');
    expect(await guard.settle(id, usage(30, 1))).toEqual({ id, state: 'settled', charged: 51 });
    expect(await counts(app)).toEqual(everywhere(51, 0));
  });

  it('drops the hold on release, and releases once', async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 100 } });
    const id = idOf(await guard.reserve(tokens(100)));
    for (let time = 0; time < 2; time += 1) {
      const ending = await guard.release(id, { error: 'overloaded' });
      expect(ending).toEqual({ id, state: 'released', charged: 0 });
    }
    const [window] = (await app.status()).windows;
    expect(window).toMatchObject({ used: 0, held: 0, requests: 1, failed: 1 });
    idOf(await guard.reserve(tokens(100)));
  });

  it('refuses to release what was settled, and leaves the charge', async () => {
    const { app, guard } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(100)));
    await guard.settle(id, usage(80, 0));
    await expect(guard.release(id)).rejects.toMatchObject(expired('reservation_ended'));
    expect(await counts(app)).toEqual(everywhere(80, 0));
  });

  it('records usage that is reported after a release', async () => {
    const { app, guard } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(100)));
    await guard.release(id);
    expect(await guard.settle(id, { unknown: true })).toMatchObject({
      state: 'released',
      charged: 0,
    });
    expect(await counts(app)).toEqual(everywhere(0, 0));
    expect(await guard.settle(id, usage(70, 5))).toEqual({ id, state: 'settled', charged: 75 });
    expect(await counts(app)).toEqual(everywhere(75, 0));
  });

  it('is ended by another process than the one that reserved', async () => {
    const { app, guard, another } = await openBudget(kind);
    const other = await another();
    const first = idOf(await guard.reserve(tokens(100)));
    const second = idOf(await guard.reserve(tokens(200)));
    await other.guard.settle(first, usage(90, 0));
    await other.guard.release(second);
    expect(await counts(app)).toEqual(everywhere(90, 0));
  });

  it.each([
    ['an id that no reservation has', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['what is no id', 'nonsense'],
    ['an empty text', ''],
  ])('finds no reservation for %s, and ends its neighbours', async (_, unknown) => {
    const { app, guard } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(100)));
    const [settled, released, mine] = await Promise.allSettled([
      guard.settle(unknown, usage(1, 1)),
      guard.release(unknown),
      guard.settle(id, usage(10, 1)),
    ]);
    expect(settled).toMatchObject({ reason: { code: 'reservation_not_found' } });
    expect(released).toMatchObject({ reason: { code: 'reservation_not_found' } });
    expect(mine).toMatchObject({ value: { charged: 11 } });
    expect(await counts(app)).toEqual(everywhere(11, 0));
  });

  it("does not end what is no reservation: a denial, or a foreign writer's row", async () => {
    const { guard, target } = await openBudget(kind, { global: { hourly: 10 } });
    await guard.reserve(tokens(11));
    await sql(
      target,
      "INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES ('a', '2025-06', 1, 1, 2, '2025-06-15 12:00:00')",
    );
    const rows = await sql(target, 'SELECT id FROM token_usage_logs');
    expect(rows).toHaveLength(2);
    for (const { id } of rows) {
      await expect(guard.settle(String(id), usage(5, 5))).rejects.toMatchObject({
        code: 'reservation_not_found',
      });
    }
  });
});

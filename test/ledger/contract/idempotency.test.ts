import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('an idempotency key on %s', (kind) => {
  const keyed = (idempotencyKey: string, input = 100, output = 0, aiType = 'imperium') => ({
    ...tokens(input, output, aiType),
    idempotencyKey,
  });

  it('gives the same reservation while it is open, and counts once', async () => {
    const { app, guard, clock } = await openBudget(kind, { global: { hourly: 100 } });
    const first = await guard.reserve(keyed('k'));
    clock.advance(1_234);
    const again = await guard.reserve(keyed('k'));
    expect(again.reservation).toEqual(first.reservation);
    expect(again).toMatchObject({ admitted: true, reasons: [], aiType: 'imperium' });
    expect(await counts(app)).toEqual(everywhere(0, 100));
    expect((await app.status()).windows[0]).toMatchObject({ requests: 1, denied: 0 });
  });

  it('counts once when it is asked twice in one batch', async () => {
    const { app, guard } = await openBudget(kind);
    const verdicts = await Promise.all([
      guard.reserve(keyed('k')),
      guard.reserve(keyed('other')),
      guard.reserve(keyed('k')),
    ]);
    const [first, other, again] = verdicts.map(idOf);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(await counts(app)).toEqual(everywhere(0, 200));
  });

  it('counts once when many processes ask at once', async () => {
    const { app, another } = await openBudget(kind);
    const others = await Promise.all(Array.from({ length: 4 }, () => another()));
    const verdicts = await Promise.all(
      others.flatMap(({ guard }) => [guard.reserve(keyed('k')), guard.reserve(keyed('k'))]),
    );
    expect(new Set(verdicts.map(idOf)).size).toBe(1);
    expect(await counts(app)).toEqual(everywhere(0, 100));
  });

  it.each(['settled', 'released', 'expired'])('that has %s ended is used up', async (state) => {
    const { app, guard, clock } = await openBudget(kind, { global: { reservationTtl: 60 } });
    const id = idOf(await guard.reserve(keyed('k')));
    if (state === 'settled') await guard.settle(id, { inputTokens: 9, outputTokens: 0 });
    else if (state === 'released') await guard.release(id);
    else clock.advance(60_000);
    await expect(guard.reserve(keyed('k'))).rejects.toMatchObject({
      code: 'reservation_ended',
      field: 'idempotencyKey',
    });
    const used = { settled: 9, released: 0, expired: 100 }[state];
    expect(await counts(app)).toEqual(everywhere(used!, 0));
  });

  it.each([
    ['AI type', keyed('k', 100, 0, 'guardian')],
    ['estimate', keyed('k', 101)],
    ['split of the estimate', keyed('k', 99, 1)],
    [
      'number of items',
      {
        ...keyed('k'),
        estimate: {
          items: [
            { input: 50, output: 0 },
            { input: 50, output: 0 },
          ],
        },
      },
    ],
  ])('is refused for another %s', async (_, other) => {
    const { app, guard } = await openBudget(kind);
    const id = idOf(await guard.reserve(keyed('k')));
    await expect(guard.reserve(other)).rejects.toMatchObject({
      code: 'key_reused',
      field: 'idempotencyKey',
    });
    await guard.release(id);
    await expect(guard.reserve(other)).rejects.toMatchObject({ code: 'key_reused' });
    expect(await counts(app)).toEqual(everywhere(0, 0));
  });

  it('refuses the second of two different requests in one batch', async () => {
    const { guard } = await openBudget(kind);
    const [first, second] = await Promise.allSettled([
      guard.reserve(keyed('k', 10)),
      guard.reserve(keyed('k', 11)),
    ]);
    expect(first).toMatchObject({ value: { admitted: true } });
    expect(second).toMatchObject({ reason: { code: 'key_reused' } });
  });

  it('does not bind to a denial, which is decided again', async () => {
    const { guard, clock } = await openBudget(kind, { global: { hourly: 100 } });
    expect((await guard.reserve(keyed('k', 101))).admitted).toBe(false);
    const id = idOf(await guard.reserve(keyed('full')));
    expect((await guard.reserve(keyed('k'))).admitted).toBe(false);
    await guard.release(id);
    idOf(await guard.reserve(keyed('k')));
    clock.advance(3_600_000);
    await expect(guard.reserve(keyed('full'))).rejects.toMatchObject({ code: 'reservation_ended' });
  });

  it('is the requestId when none is given, and the requestId is logged beside another key', async () => {
    const { app, guard, target } = await openBudget(kind);
    const request = { ...tokens(100), requestId: 'req-1' };
    const first = idOf(await guard.reserve(request));
    expect(idOf(await guard.reserve(request))).toBe(first);
    const second = idOf(await guard.reserve({ ...request, idempotencyKey: 'mine' }));
    expect(second).not.toBe(first);
    expect(await counts(app)).toEqual(everywhere(0, 200));
    expect(
      await sql(target, 'SELECT request_id, idempotency_key FROM token_usage_logs ORDER BY id'),
    ).toEqual([
      { request_id: 'req-1', idempotency_key: 'req-1' },
      { request_id: 'req-1', idempotency_key: 'mine' },
    ]);
  });

  it('is no matter to requests that give none', async () => {
    const { app, guard } = await openBudget(kind);
    const verdicts = await Promise.all([guard.reserve(tokens(5)), guard.reserve(tokens(5))]);
    expect(new Set(verdicts.map(idOf)).size).toBe(2);
    expect(await counts(app)).toEqual(everywhere(0, 10));
  });
});

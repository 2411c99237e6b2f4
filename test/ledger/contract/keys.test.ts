import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('a key that a reservation gets afterwards on %s', (kind) => {
  it('finds it from any process, open and ended, and changes no count', async () => {
    const { app, guard, another } = await openBudget(kind);
    const id = idOf(await guard.reserve(tokens(60, 40)));
    await guard.giveKey(id, 'batch 1');
    await guard.giveKey(id, 'batch 1');
    expect(await counts(app)).toEqual(everywhere(0, 100));
    const other = await another();
    expect(await other.guard.findByKey('batch 1')).toEqual({ id, items: 1 });
    expect(await other.guard.findByKey('batch 2')).toBeNull();
    await other.guard.settle(id, { inputTokens: 1, outputTokens: 2 });
    expect(await guard.findByKey('batch 1')).toEqual({ id, items: 1 });
    expect(await counts(app)).toEqual(everywhere(3, 0));
  });

  it('is refused where either has another', async () => {
    const { guard } = await openBudget(kind);
    const [first, second] = [
      idOf(await guard.reserve(tokens(1))),
      idOf(await guard.reserve(tokens(1))),
    ];
    await guard.giveKey(first, 'one');
    await expect(guard.giveKey(first, 'two')).rejects.toMatchObject({ code: 'key_reused' });
    await expect(guard.giveKey(second, 'one')).rejects.toMatchObject({ code: 'key_reused' });
    expect(await guard.findByKey('two')).toBeNull();
  });

  it('is refused for no reservation, and when it is none', async () => {
    const { guard, clock } = await openBudget(kind, { global: { request: 10 } });
    await guard.reserve(tokens(11));
    const none = guard.giveKey(clock.newId(), 'one');
    await expect(none).rejects.toMatchObject({ code: 'reservation_not_found' });
    const id = idOf(await guard.reserve(tokens(1)));
    for (const key of ['', 'x'.repeat(201), 5, undefined] as never[]) {
      await expect(guard.giveKey(id, key)).rejects.toMatchObject({ field: 'key' });
      await expect(guard.findByKey(key)).rejects.toMatchObject({ field: 'key' });
    }
  });
});

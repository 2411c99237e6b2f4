import { describe, expect, it, onTestFinished } from 'vitest';
import type { EndCommand, ReserveCommand } from '../../src/ledger/commands.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import type { Connection } from '../../src/ledger/port.ts';
import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';
import { counts, everywhere, openBudget, type Budget } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const reserve = (total: number, more: Partial<ReserveCommand> = {}): ReserveCommand => ({
  kind: 'reserve',
  aiType: 'imperium',
  estimate: { input: total, output: 0, total },
  items: 1,
  largestItem: total,
  model: null,
  requestId: null,
  requestType: 'sdk',
  id: systemRuntime.newId(),
  idempotencyKey: null,
  ttlSeconds: null,
  ...more,
});
const release = (id: string): EndCommand => ({
  kind: 'release',
  id,
  errorMessage: null,
});

/** A ledger whose transactions are counted, and wait while `hold` is pending. */
function watched({ app }: Budget, runtime: Runtime = systemRuntime, timeoutMs = 5_000) {
  const real = app.ledger.connection;
  const watch = { transactions: 0, hold: Promise.resolve() };
  const connection: Connection = {
    ...real,
    transaction: async (mode, work) => {
      watch.transactions += 1;
      await watch.hold;
      return real.transaction(mode, work);
    },
    close: () => Promise.resolve(),
  };
  const ledger = new Ledger({ connection, runtime, timeoutMs });
  onTestFinished(() => ledger.close());
  return { ledger, watch };
}

/** Lets a held transaction go. */
function gate(): { held: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { held, open };
}

describe.each(DATABASES)('group commit on %s', (kind) => {
  it('shares few transactions between many callers', async () => {
    const budget = await openBudget(kind, { global: { hourly: 1_500 } });
    const { ledger, watch } = watched(budget);
    const verdicts = await Promise.all(
      Array.from({ length: 1_000 }, () => ledger.reserve(reserve(2))),
    );
    expect(verdicts.filter(({ admitted }) => admitted)).toHaveLength(750);
    expect(watch.transactions).toBe(4);
    expect(await counts(budget.app)).toEqual(everywhere(0, 1_500));
  });

  it('gathers what arrives while a transaction runs into the next one', async () => {
    const budget = await openBudget(kind);
    const { ledger, watch } = watched(budget);
    const { held, open } = gate();
    watch.hold = held;
    const first = ledger.reserve(reserve(1));
    while (watch.transactions === 0) await systemRuntime.yield();
    const rest = Array.from({ length: 100 }, () => ledger.reserve(reserve(1)));
    open();
    await Promise.all([first, ...rest]);
    expect(watch.transactions).toBe(2);
  });

  it('ends reservations before it decides new ones', async () => {
    const budget = await openBudget(kind, { global: { hourly: 100 } });
    const { ledger } = watched(budget);
    const held = await ledger.reserve(reserve(100));
    const next = ledger.reserve(reserve(100));
    const ended = ledger.end(release(held.reservation!.id));
    expect((await next).admitted).toBe(true);
    expect((await ended).state).toBe('released');
  });

  it('decides some reserves in every batch, however many ends wait', async () => {
    const budget = await openBudget(kind);
    const { ledger } = watched(budget);
    const order: string[] = [];
    const ends = Array.from({ length: 1_000 }, () =>
      ledger.end(release(systemRuntime.newId())).catch(() => order.push('end')),
    );
    const reserves = Array.from({ length: 100 }, () =>
      ledger.reserve(reserve(1)).then(() => order.push('reserve')),
    );
    await Promise.all([...ends, ...reserves]);
    expect(order.slice(0, 256).filter((what) => what === 'reserve')).toHaveLength(64);
    expect(order.slice(0, 512).filter((what) => what === 'reserve')).toHaveLength(100);
  });

  it('fails only the request that the database refuses for its content', async () => {
    const budget = await openBudget(kind);
    const { ledger } = watched(budget);
    const { reservation } = await ledger.reserve(reserve(1));
    const results = await Promise.allSettled([
      ledger.reserve(reserve(10)),
      // An id that is taken: the primary key refuses it.
      ledger.reserve(reserve(20, { id: reservation!.id })),
      ledger.reserve(reserve(30)),
      ledger.end(release(systemRuntime.newId())),
      ...(kind === 'postgresql' ? [ledger.reserve(reserve(40, { model: 'no\0text' }))] : []),
      ledger.reserve(reserve(50)),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      ...(kind === 'postgresql' ? ['rejected'] : []),
      'fulfilled',
    ]);
    expect(await counts(budget.app)).toEqual(everywhere(0, 91));
    expect((await ledger.reserve(reserve(9))).admitted).toBe(true);
  });

  it('denies with ledger_busy above 10,000 waiting reserves, and goes on afterwards', async () => {
    const budget = await openBudget(kind, { global: { hourly: 100 } });
    const { ledger, watch } = watched(budget, systemRuntime, 60_000);
    const { held, open } = gate();
    watch.hold = held;
    const inFlight = ledger.reserve(reserve(1));
    while (watch.transactions === 0) await systemRuntime.yield();
    const waiting = Array.from({ length: 10_000 }, () => ledger.reserve(reserve(101)));
    const busy = await ledger.reserve(reserve(1));
    expect(busy).toMatchObject({ admitted: false, reservation: null, largestAdmissible: null });
    expect(busy.reasons).toMatchObject([{ code: 'ledger_busy', canEverPass: true }]);
    open();
    expect((await inFlight).admitted).toBe(true);
    const verdicts = await Promise.all(waiting);
    expect(verdicts.every(({ reasons }) => reasons[0]?.code === 'window_exceeded')).toBe(true);
    expect((await budget.app.status()).windows[0]).toMatchObject({ held: 1, denied: 10_000 });
  });

  it('refuses ends above 50,000 waiting ones with ledger_busy', async () => {
    const budget = await openBudget(kind);
    const { ledger, watch } = watched(budget, systemRuntime, 60_000);
    const { held, open } = gate();
    watch.hold = held;
    const inFlight = ledger.reserve(reserve(1));
    while (watch.transactions === 0) await systemRuntime.yield();
    const id = systemRuntime.newId();
    const waiting = Array.from({ length: 50_000 }, () => ledger.end(release(id)));
    const settled = Promise.allSettled(waiting);
    await expect(ledger.end(release(id))).rejects.toMatchObject({ code: 'ledger_busy' });
    open();
    await inFlight;
    const results = await settled;
    expect(
      results.every(
        (result) =>
          (result as { reason?: { code: string } }).reason?.code === 'reservation_not_found',
      ),
    ).toBe(true);
  });

  it('answers what is queued before it closes, and denies everything afterwards', async () => {
    const budget = await openBudget(kind);
    const { ledger } = watched(budget);
    const queued = Array.from({ length: 300 }, () => ledger.reserve(reserve(1)));
    await ledger.close();
    const verdicts = await Promise.all(queued);
    expect(verdicts.every(({ admitted }) => admitted)).toBe(true);
    const denied = await ledger.reserve(reserve(1));
    expect(denied.reasons).toMatchObject([{ code: 'ledger_unavailable' }]);
    await expect(ledger.end(release(verdicts[0]!.reservation!.id))).rejects.toMatchObject({
      code: 'ledger_unavailable',
    });
    expect(await counts(budget.app)).toEqual(everywhere(0, 300));
  });
});

describe('the loop of group commit', () => {
  it('answers a request whenever it arrives, also in the moment in which a round ends', async () => {
    const { app } = await openBudget('sqlite');
    const ledger = new Ledger({
      connection: {
        ...app.ledger.connection,
        transaction: () => Promise.reject(new Error('gone')),
        classify: () => 'unusable',
      },
      // All that a round waits for is a microtask, so that each step below is one moment later.
      runtime: { ...systemRuntime, yield: () => Promise.resolve() },
    });
    for (let steps = 0; steps < 40; steps += 1) {
      const first = ledger.reserve(reserve(1));
      for (let at = 0; at < steps; at += 1) await Promise.resolve();
      const second = ledger.reserve(reserve(1));
      const answered = await Promise.race([
        Promise.all([first, second]).then(() => true),
        systemRuntime.sleep(1_000).then(() => false),
      ]);
      expect([steps, answered]).toEqual([steps, true]);
    }
  });
});

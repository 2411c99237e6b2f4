import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { openBehindProxy } from '../support/behind-proxy.ts';
import { counts, everywhere, idOf, sql, tokens } from '../support/budget.ts';
import { churn } from '../support/churn.mjs';
import { expectKept } from '../support/kept.ts';
import { until } from '../support/processes.ts';
import { timed } from '../support/timed.ts';

const TIMEOUT_MS = 300;
/** Every call ends within four times its time-out; the rest is for a slow machine. */
const LONGEST_MS = 4 * TIMEOUT_MS + 700;
const UNAVAILABLE = { admitted: false, reasons: [{ code: 'ledger_unavailable' }] };

describe('a network to PostgreSQL that delays each message', () => {
  it('changes no answer', async () => {
    const { budget, proxy, guard } = await openBehindProxy();
    proxy.delayMs = 60;
    const verdicts = await Promise.all([1, 2, 3].map((n) => guard.reserve(tokens(n * 10))));
    await guard.settle(idOf(verdicts[0]!), { inputTokens: 4, outputTokens: 0 });
    expect((await guard.check(tokens(1_000_000))).largestAdmissible).toBe(1_000_000 - 55);
    verdicts.forEach(idOf);
    expect(await counts(budget.app)).toEqual(everywhere(4, 51));
  });

  it.each([
    ['by more than a statement may take', 3 * TIMEOUT_MS],
    ['by less than a statement may take, and by more in sum', 0.7 * TIMEOUT_MS],
  ])('%s denies within four times timeoutMs, and holds nothing in the end', async (_, delayMs) => {
    const { budget, proxy, guard } = await openBehindProxy(TIMEOUT_MS);
    proxy.delayMs = delayMs;
    const answers = await Promise.all([1, 2, 3].map(() => timed(guard.reserve(tokens(100)))));
    for (const [denied, tookMs] of answers) {
      expect(denied).toMatchObject(UNAVAILABLE);
      expect(tookMs).toBeLessThan(LONGEST_MS);
    }
    proxy.delayMs = 0;
    proxy.cut();
    await until(async () => (await guard.reserve(tokens(1))).admitted);
    await until(async () => (await counts(budget.app))['hour']![1] < 100);
  });

  it('after COMMIT was sent: what was admitted unheard is released, and a retry with a key finds it', async () => {
    const { budget, proxy, guard } = await openBehindProxy(TIMEOUT_MS);
    const request = { ...tokens(70), idempotencyKey: 'k' };
    proxy.commitsToLose = 1;
    proxy.afterLoss = 'silent';
    const answers = await Promise.all(
      [tokens(100), request].map((one) => timed(guard.reserve(one))),
    );
    for (const [denied, tookMs] of answers) {
      expect(denied).toMatchObject(UNAVAILABLE);
      expect(tookMs).toBeLessThan(LONGEST_MS);
    }
    expect(await counts(budget.app)).toEqual(everywhere(0, 171));
    proxy.mode = 'passes';
    const id = idOf(await guard.reserve(request));
    await until(async () => (await counts(budget.app))['hour']![1] === 71);
    expect(
      await sql(budget.target, `SELECT id FROM token_usage_logs WHERE idempotency_key = 'k'`),
    ).toEqual([{ id }]);
  });
});

describe('a network to PostgreSQL that drops everything', () => {
  it.each(['silent', 'mute', 'deaf'] as const)(
    'in the direction "%s": each of many calls ends within four times timeoutMs, and later ones work',
    async (mode) => {
      const { budget, proxy, guard } = await openBehindProxy(TIMEOUT_MS);
      proxy.mode = mode;
      const many = Array.from({ length: 30 }, (_, n) => n);
      const [checks, reserves] = await Promise.all([
        Promise.all(many.map(() => timed(guard.check(tokens(1))))),
        Promise.all(many.map(() => timed(guard.reserve(tokens(1))))),
      ]);
      for (const [denied, tookMs] of [...checks, ...reserves]) {
        expect(denied).toMatchObject(UNAVAILABLE);
        expect(tookMs).toBeLessThan(LONGEST_MS);
      }
      proxy.mode = 'passes';
      await until(async () => (await guard.reserve(tokens(7))).admitted);
      await until(async () => (await counts(budget.app))['hour']![1] === 8);
    },
  );
});

describe('a network to PostgreSQL that cuts connections in the middle of a message', () => {
  it.each(['request', 'answer'] as const)(
    'half a %s: nothing is lost, nothing is counted twice',
    async (half) => {
      const { budget, proxy, guard } = await openBehindProxy();
      let going = true;
      const running = churn(guard, { tokens: 10, callers: 8, goOn: () => going });
      for (let cuts = 0; cuts < 10; cuts += 1) {
        await systemRuntime.sleep(Math.random() * 30);
        proxy.toHalve = half;
        await until(() => proxy.toHalve === null);
      }
      going = false;
      const told = await running;
      expect(told.refusals).toEqual({});
      expect(told.reserved.length).toBeGreaterThan(0);
      const first = await sql(
        budget.target,
        'SELECT id FROM token_usage_logs WHERE reserved_tokens = 1',
      );
      await guard.release(String(first[0]!['id']));
      await expectKept(budget, [told], 10);
    },
  );
});

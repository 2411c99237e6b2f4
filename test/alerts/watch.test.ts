import { readFileSync, rmSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Channel } from '../../src/alerts/channel.ts';
import { fileChannel } from '../../src/alerts/channels/file.ts';
import { routesOf } from '../../src/alerts/deliver.ts';
import { raiseAlerts } from '../../src/alerts/raise.ts';
import type { App, MonitorCheck } from '../../src/app.ts';
import { newestAlerts, takeDeliveries } from '../../src/ledger/alerts.ts';
import { limitsReader } from '../../src/ledger/limits-in-force.ts';
import { readSnapshot } from '../../src/ledger/snapshot.ts';
import { idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const global = { enforcedMonthly: 1_000, criticalRequest: 'off' } as const;
const note = { source: 'test', actor: null, reason: null };

/** A channel that remembers what it was told: `raised warning` of the month, `raised denials warning`. */
function listening(): Channel & { readonly told: string[] } {
  const told: string[] = [];
  return {
    ...{ name: 'console', events: ['raised', 'resolved'], told },
    send: ({ kind, level, aiType }, event) => {
      const what = [kind === 'level' ? '' : kind, aiType ?? '', level].filter(
        (word) => word !== '',
      );
      told.push(`${event} ${what.join(' ')}`);
      return Promise.resolve();
    },
  };
}

const levels = ({ open }: MonitorCheck): string[] =>
  open.map(({ level, state }) => `${state} ${level}`);

function resetMonth(app: App): Promise<unknown> {
  return app.reset({ aiTypes: [], window: 'month', actor: null, reason: 'test', dryRun: false });
}

describe.each(DATABASES)('alerts on %s', (kind) => {
  it('are told once, also to a monitor that was started again', async () => {
    const { app, guard, another } = await openBudget(kind, { global });
    const channel = listening();
    await guard.settle(idOf(await guard.reserve(tokens(850))), {
      inputTokens: 850,
      outputTokens: 0,
    });
    await app.watch([channel]);
    await app.watch([channel]);
    const restarted = await another();
    expect(levels(await restarted.app.watch([channel]))).toEqual(['raised warning']);
    expect(channel.told).toEqual(['raised warning']);
    await guard.settle(idOf(await guard.reserve(tokens(140))), {
      inputTokens: 140,
      outputTokens: 0,
    });
    await app.watch([channel]);
    expect(channel.told).toEqual(['raised warning', 'raised emergency']);
  });

  it('are told once by two monitors that look at the same time', async () => {
    const { app, guard, another } = await openBudget(kind, { global });
    const second = await another();
    await guard.settle(idOf(await guard.reserve(tokens(990))), {
      inputTokens: 990,
      outputTokens: 0,
    });
    const channels = [listening(), listening()];
    for (let round = 0; round < 10; round += 1) {
      await Promise.all([app.watch([channels[0]!]), second.app.watch([channels[1]!])]);
    }
    expect(channels.flatMap(({ told }) => told)).toEqual(['raised emergency']);
    expect(await app.ledger.read((ops) => newestAlerts(ops, 10))).toHaveLength(1);
  });

  it('are armed again by a reset, a raised limit and a new month', async () => {
    const { app, guard, clock } = await openBudget(kind, { global });
    const channel = listening();
    const use = async (used: number): Promise<void> => {
      const id = idOf(await guard.reserve(tokens(used)));
      await guard.settle(id, { inputTokens: used, outputTokens: 0 });
      await app.watch([channel]);
    };
    await use(820);
    await resetMonth(app);
    await app.watch([channel]);
    await use(820);
    expect(channel.told).toEqual(['raised warning', 'resolved warning', 'raised warning']);
    await app.changeLimits(
      (settings) => ({ ...settings, global: { ...settings.global, enforcedMonthly: 2_000 } }),
      note,
    );
    await app.watch([channel]);
    await use(780);
    expect(channel.told.slice(3)).toEqual(['resolved warning', 'raised warning']);
    clock.set('2025-07-01T00:00:05Z');
    await app.watch([channel]);
    await use(1_600);
    // At this rate the month would pass its limit, which is told too.
    expect(channel.told.slice(5)).toEqual([
      ...['resolved warning', 'raised warning', 'raised overrun warning'],
    ]);
  });

  it('that only holds reach are raised when they have lasted 60 s, whoever looks', async () => {
    const { app, guard, clock, another } = await openBudget(kind, { global });
    const channel = listening();
    const hold = idOf(await guard.reserve(tokens(960)));
    const first = await app.watch([channel]);
    expect(levels(first)).toEqual(['pending warning', 'pending critical']);
    expect(first.lookAgainAtMs).toBe(clock.nowMs() + 60_000);
    clock.advance(59_000);
    expect(levels(await app.watch([channel]))).toEqual(['pending warning', 'pending critical']);
    expect(channel.told).toEqual([]);
    const restarted = await another();
    clock.advance(1_000);
    expect(levels(await restarted.app.watch([channel]))).toEqual(['raised critical']);
    expect(channel.told).toEqual(['raised critical']);
    await guard.release(hold);
    expect(levels(await app.watch([channel]))).toEqual([]);
    expect(channel.told).toEqual(['raised critical', 'resolved critical']);
  });

  it('that only holds reach are forgotten when the holds go', async () => {
    const { app, guard, clock } = await openBudget(kind, { global });
    const channel = listening();
    const hold = idOf(await guard.reserve(tokens(960)));
    await app.watch([channel]);
    await guard.release(hold);
    expect(levels(await app.watch([channel]))).toEqual([]);
    clock.advance(60_000);
    await app.watch([channel]);
    expect(channel.told).toEqual([]);
    expect(await app.ledger.read((ops) => newestAlerts(ops, 10))).toEqual([]);
  });

  it('go into the alert log, a line each', async () => {
    const { app, guard } = await openBudget(kind, { global });
    const directory = mkdtempSync(join(tmpdir(), 'tokenctl-alerts-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'made', 'token_usage_alerts.json');
    await guard.settle(idOf(await guard.reserve(tokens(951))), {
      inputTokens: 951,
      outputTokens: 0,
    });
    const { failed } = await app.watch([fileChannel(path)]);
    expect(failed).toEqual([]);
    const [line, ...rest] = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(rest).toEqual([]);
    expect(JSON.parse(line!)).toMatchObject({
      level: 'CRITICAL',
      message:
        '95.10 % of the 1,000 tokens of 2025-06 are used or held; from 980 on every request is denied',
      data: {
        ...{ emergency_shutdown: false, critical_level: true, warning_level: true },
        ...{ usage_percentage: 95.1, total_tokens: 951, remaining_tokens: 49 },
        timestamp: '2025-06-15T12:30:00.000Z',
      },
      timestamp: '2025-06-15T12:30:00.000Z',
    });
  });

  it('that can not be told are tried again, with longer and longer pauses, and given up', async () => {
    const { app, guard, clock } = await openBudget(kind, { global });
    const directory = mkdtempSync(join(tmpdir(), 'tokenctl-alerts-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const blocked = join(directory, 'file');
    writeFileSync(blocked, '');
    const channel = fileChannel(join(blocked, 'token_usage_alerts.json'));
    await guard.settle(idOf(await guard.reserve(tokens(951))), {
      inputTokens: 951,
      outputTokens: 0,
    });
    expect((await app.watch([channel])).failed).toMatchObject([{ channel: 'file', last: false }]);
    expect((await app.watch([channel])).failed).toEqual([]);
    clock.advance(40_000);
    expect((await app.watch([channel])).failed).toHaveLength(1);
    clock.advance(40_000);
    expect((await app.watch([channel])).failed).toEqual([]);
    const failed = [];
    for (let tries = 0; tries < 12; tries += 1) {
      clock.advance(4_600_000);
      failed.push(...(await app.watch([channel])).failed);
    }
    expect(failed).toHaveLength(8);
    expect(failed.at(-1)).toMatchObject({ last: true });
  });

  it('are told after all when a monitor died between the decision and the telling, or in the middle of it', async () => {
    const { app, guard, clock, another } = await openBudget(kind, { global });
    const channel = listening();
    await guard.settle(idOf(await guard.reserve(tokens(951))), {
      inputTokens: 951,
      outputTokens: 0,
    });
    const dying = await another();
    await dying.app.ledger.write(function* (ops) {
      const snapshot = yield* readSnapshot(ops, limitsReader(), {});
      yield* raiseAlerts(ops, snapshot, routesOf([channel]), () => clock.newId());
    });
    const taken = await dying.app.ledger.write((ops) =>
      takeDeliveries(ops, 'console', 20, { after: () => 30_000, longestMs: 3_600_000 }),
    );
    expect(taken).toHaveLength(1);
    await app.watch([channel]);
    expect(channel.told).toEqual([]);
    clock.advance(30_000);
    await app.watch([channel]);
    await app.watch([channel]);
    expect(channel.told).toEqual(['raised critical']);
  });

  it('are armed again by a reset also where usage is back before the next check', async () => {
    const { app, guard } = await openBudget(kind, { global });
    const channel = listening();
    const use = async (used: number): Promise<void> => {
      const id = idOf(await guard.reserve(tokens(used)));
      await guard.settle(id, { inputTokens: used, outputTokens: 0 });
    };
    await use(985);
    await app.watch([channel]);
    await resetMonth(app);
    await use(985);
    await app.watch([channel]);
    await app.watch([channel]);
    expect(channel.told.toSorted()).toEqual([
      'raised emergency',
      'raised emergency',
      'resolved emergency',
    ]);
  });

  it('are told to be over only after they were told', async () => {
    const { app, guard, clock } = await openBudget(kind, { global });
    const channel = listening();
    let broken = true;
    const unsteady: Channel = {
      ...channel,
      send: (alert, event) =>
        broken ? Promise.reject(new Error('not now')) : channel.send(alert, event),
    };
    await guard.settle(idOf(await guard.reserve(tokens(951))), {
      inputTokens: 951,
      outputTokens: 0,
    });
    await app.watch([unsteady]);
    await resetMonth(app);
    broken = false;
    await app.watch([unsteady]);
    expect(channel.told).toEqual([]);
    clock.advance(60_000);
    await app.watch([unsteady]);
    await app.watch([unsteady]);
    expect(channel.told).toEqual(['raised critical', 'resolved critical']);
  });

  it('are not delayed by a clock that goes back', async () => {
    const { app, guard, clock } = await openBudget(kind, { global });
    const channel = listening();
    idOf(await guard.reserve(tokens(960)));
    await app.watch([channel]);
    clock.advance(-7_200_000);
    await app.watch([channel]);
    clock.advance(60_000);
    await app.watch([channel]);
    expect(channel.told).toEqual(['raised critical']);
  });

  it('are looked at while a check charges what is due', async () => {
    const { app, guard, clock, target } = await openBudget(kind, { global });
    const channel = listening();
    idOf(await guard.reserve({ ...tokens(900), ttlSeconds: 30 }));
    clock.advance(31_000);
    expect(levels(await app.watch([channel]))).toEqual(['raised warning']);
    const rows = await sql(target, 'SELECT state FROM token_usage_logs');
    expect(rows).toEqual([{ state: 'expired' }]);
  });
});

import { describe, expect, it } from 'vitest';
import { openBudget, sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { startBackends, untilHourLasts } from '../support/processes.ts';

interface Ending {
  readonly id: string;
  readonly input?: number;
  readonly output?: number;
  readonly unknown?: boolean;
  readonly release?: boolean;
}
interface Ended {
  readonly id: string;
  readonly state?: string;
  readonly charged?: number;
  readonly code?: string;
}

const random = (most: number) => Math.floor(Math.random() * most);
const usage = () => ({ input: random(200), output: random(50) });

describe.each(DATABASES)(
  'a storm of endings from other processes than the reserver on %s',
  (kind) => {
    it('charges each reservation once, as it was first told, and nothing else', async () => {
      await untilHourLasts(30_000);
      const { target, app } = await openBudget(kind, { start: new Date().toISOString() });
      const [reserver, ...settlers] = await startBackends(7, target);
      const { ids } = await reserver!.ask<{ ids: string[] }>({
        do: 'spend',
        tokens: 100,
        callers: 60,
        most: 10,
      });
      expect(ids).toHaveLength(600);
      // Each reservation is settled by two processes at once with different usage; every sixth is of
      // unknown usage to one of them, and every seventh is released by both.
      const endings = settlers.map((): Ending[] => []);
      for (const [at, id] of ids.entries()) {
        for (const by of [at % 6, (at + 1) % 6]) {
          if (at % 7 === 0) endings[by]!.push({ id, release: true });
          else endings[by]!.push({ id, ...usage(), unknown: at % 6 === 0 && by === 0 });
        }
      }
      // New admissions go on meanwhile.
      const [more, ...told] = await Promise.all([
        reserver!.ask<{ ids: string[] }>({ do: 'spend', tokens: 3, callers: 20, most: 10 }),
        ...settlers.map((settler, by) =>
          settler.ask<Ended[]>({
            do: 'end',
            endings: endings[by]!.toSorted(() => Math.random() - 0.5),
          }),
        ),
      ]);
      expect(more.ids).toHaveLength(200);
      const charged = new Map<string, string>();
      for (const { id, ...ending } of told.flat()) {
        const said = JSON.stringify(ending);
        expect(charged.get(id) ?? said).toBe(said);
        charged.set(id, said);
      }
      expect(charged.size).toBe(600);
      const rows = await sql(
        target,
        `SELECT id, state, total_tokens FROM token_usage_logs WHERE reserved_tokens = 100`,
      );
      for (const { id, state, total_tokens } of rows) {
        expect(charged.get(String(id))).toBe(
          JSON.stringify({ state, charged: Number(total_tokens) }),
        );
      }
      const used = rows.reduce((sum, row) => sum + Number(row['total_tokens']), 0);
      const [month] = (await app.status()).windows;
      expect(month).toMatchObject({ used, held: 600, requests: 800 });
    }, 60_000);
  },
);

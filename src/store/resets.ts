import { isoTime, type IsoTime } from '../budget/windows.ts';
import type { Store } from './client.ts';

/** One reset as it was made, newest first in lists. */
export interface PastReset {
  readonly id: number;
  readonly at: IsoTime;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly undone: boolean;
  readonly windows: readonly {
    /** 'global' or an AI type. */
    readonly scope: string;
    readonly window: string;
    readonly start: string;
    /** Used tokens that it took. */
    readonly taken: number;
  }[];
}

/** The newest resets, at most `limit`. */
export async function listResets(store: Store, limit = 50): Promise<PastReset[]> {
  const newest = await store.usageAdjustment.findMany({
    where: { kind: 'reset' },
    distinct: ['resetId'],
    orderBy: { resetId: 'desc' },
    take: limit,
    select: { resetId: true },
  });
  const ids = newest.flatMap(({ resetId }) => resetId ?? []);
  const rows = await store.usageAdjustment.findMany({
    where: { resetId: { in: ids }, kind: { in: ['reset', 'undo'] } },
    orderBy: { id: 'asc' },
  });
  return ids.flatMap((id): PastReset[] => {
    const mine = rows.filter((row) => row.resetId === id);
    const taken = mine.filter(({ kind }) => kind === 'reset');
    const [first] = taken;
    if (first === undefined) return [];
    return [
      {
        id,
        at: isoTime(Number(first.createdAtMs)),
        actor: first.actor,
        reason: first.reason,
        undone: mine.some(({ kind }) => kind === 'undo'),
        windows: taken.map((row) => ({
          scope: row.scopeKind === 'global' ? 'global' : row.scopeName,
          window: row.windowKind,
          start: row.windowStart,
          taken: -Number(row.used),
        })),
      },
    ];
  });
}

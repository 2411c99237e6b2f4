import { TokenctlError } from '../budget/errors.ts';
import { scopeLabels } from '../budget/labels.ts';
import { resolveLimits, type Settings } from '../budget/limits.ts';
import { parseSettings } from '../budget/settings.ts';
import { isoTime, type IsoTime } from '../budget/windows.ts';
import type { Store } from './client.ts';

/** One change of limits: who, when, why, and what was set after it. */
export interface LimitRevision {
  readonly revision: number;
  readonly settings: Settings;
  /** The command or source that made it. */
  readonly source: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly at: IsoTime;
}

export interface NewRevision {
  /** The revision that the change was made against. */
  readonly after: number;
  readonly settings: Settings;
  readonly source: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly atMs: number;
}

/** Appends a revision; it is in force at every process's next decision. @throws limits_changed when another came first */
export async function appendRevision(store: Store, next: NewRevision): Promise<number> {
  const revision = next.after + 1;
  const labels = scopeLabels(resolveLimits(next.settings).limits);
  try {
    await store.$transaction([
      store.limitRevision.create({
        data: {
          revision,
          settings: JSON.stringify(next.settings),
          source: next.source,
          actor: next.actor,
          reason: next.reason,
          createdAtMs: BigInt(next.atMs),
        },
      }),
      store.scopeLimit.deleteMany({}),
      store.scopeLimit.createMany({
        data: labels.map((label) => ({
          scopeKind: label.aiType === null ? 'global' : 'ai_type',
          scopeName: label.aiType ?? '',
          monthly: label.monthly === null ? null : BigInt(label.monthly),
          warningAt: label.warningAt === null ? null : BigInt(label.warningAt),
          criticalAt: label.criticalAt === null ? null : BigInt(label.criticalAt),
        })),
      }),
    ]);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'P2002') {
      throw new TokenctlError(
        'limits_changed',
        'the limits were changed by someone else meanwhile',
        {
          cause: error,
          fix: 'look at them again: tokenctl limits',
        },
      );
    }
    throw error;
  }
  return revision;
}

/** Every revision, the newest first. */
export async function listRevisions(store: Store): Promise<LimitRevision[]> {
  const rows = await store.limitRevision.findMany({ orderBy: { revision: 'desc' } });
  return rows.map(toRevision);
}

/** One revision by its number; null where there is none. */
export async function findRevision(store: Store, revision: number): Promise<LimitRevision | null> {
  const row = await store.limitRevision.findUnique({ where: { revision } });
  return row === null ? null : toRevision(row);
}

interface RevisionRow {
  readonly revision: number;
  readonly settings: string;
  readonly source: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly createdAtMs: bigint;
}

function toRevision(row: RevisionRow): LimitRevision {
  return {
    revision: row.revision,
    settings: parseSettings(row.settings),
    source: row.source,
    actor: row.actor,
    reason: row.reason,
    at: isoTime(Number(row.createdAtMs)),
  };
}

/** What must hold after a crash run, found out from the database and the journals alone. */
import type { App } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { expectCountsAgree, query } from '../support/counts.ts';
import type { JournaledCall, Journals } from './journal.ts';
import { changesOf, overshoots } from './watcher.ts';

/** Each finding names the windows, reservations or keys that it is about; all are empty when all is well. */
export interface Findings {
  /** Windows that stood above a limit at a commit. */
  readonly over: string[];
  /** Reservations that are still held, and counts that are not the sum of their rows. */
  readonly leaked: string[];
  /** Journaled calls without a row, and journaled endings that the row does not show. */
  readonly lost: string[];
  /** Reservations that did not end exactly once, at a price that their call can have had. */
  readonly wronglyEnded: string[];
  /** Keys with more than one reservation; and more rows that nobody was told of than there were calls under way. */
  readonly doubled: string[];
}

export interface CrashedRow {
  readonly id: string;
  readonly state: string;
  readonly reserved: number;
  readonly charged: number;
  readonly key: string | null;
}

/** Every reservation of the run. */
export async function reservations(target: DatabaseTarget): Promise<Map<string, CrashedRow>> {
  const rows = await query(
    target,
    `SELECT id, state, reserved_tokens, total_tokens, idempotency_key FROM token_usage_logs WHERE state <> 'denied'`,
  );
  return new Map(
    rows.map((row) => [
      String(row['id']),
      {
        id: String(row['id']),
        state: String(row['state']),
        reserved: Number(row['reserved_tokens']),
        charged: Number(row['total_tokens']),
        key: row['idempotency_key'] as string | null,
      },
    ]),
  );
}

/** @param inFlight how many calls were under way at deaths, at most */
export async function findWrongs(
  app: App,
  target: DatabaseTarget,
  journals: Journals,
  inFlight: number,
): Promise<Findings> {
  const rows = await reservations(target);
  return {
    over: await overshoots(target),
    leaked: [
      ...[...rows.values()].filter(({ state }) => state === 'reserved').map(describe),
      ...(await miscounts(app, target)),
    ],
    lost: lostFrom(journals, rows),
    wronglyEnded: wronglyEnded(journals, rows, await changesOf(target)),
    doubled: doubled(journals, rows, inFlight),
  };
}

async function miscounts(app: App, target: DatabaseTarget): Promise<string[]> {
  try {
    await expectCountsAgree(app, target);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function lostFrom({ calls, endings }: Journals, rows: Map<string, CrashedRow>): string[] {
  const called = [...calls].filter(([id, { tokens }]) => rows.get(id)?.reserved !== tokens);
  const ended = [...endings].filter(([id, { state, charged }]) => {
    const row = rows.get(id);
    return row?.state !== state || row.charged !== charged;
  });
  return [
    ...called.map(([id]) => `call of ${id}`),
    ...ended.map(([id, { state, charged }]) => `${id}, ${state} with ${charged}`),
  ];
}

/** Once, or once by its time and then by a late answer. */
const CHANGES = [
  ...['settled', 'released', 'expired'].map((state) => `reserved>${state}`),
  ...['settled', 'released'].map((state) => `expired>${state} reserved>expired`),
];

function wronglyEnded(
  { calls }: Journals,
  rows: Map<string, CrashedRow>,
  changes: Map<string, string[]>,
): string[] {
  return [...rows.values()]
    .filter((row) => {
      const path = (changes.get(row.id) ?? []).join(' ');
      if (!CHANGES.includes(path) || !path.includes(`>${row.state}`)) return true;
      return !pricesOf(row, calls.get(row.id)).includes(row.charged);
    })
    .map((row) => `${describe(row)}: ${(changes.get(row.id) ?? []).join(', ')}`);
}

/** What the row may be charged, in its state; a call that was never made can only have expired. */
function pricesOf({ state, reserved }: CrashedRow, call: JournaledCall | undefined): number[] {
  if (state === 'expired') return [reserved];
  if (state === 'released') return call?.plan === 'nothing' ? [0] : [];
  if (call === undefined || call.plan === 'nothing') return [];
  return [call.plan === 'unknown' ? reserved : call.plan];
}

function doubled({ calls }: Journals, rows: Map<string, CrashedRow>, inFlight: number): string[] {
  const byKey = new Map<string | null, Set<string>>();
  for (const [id, { key }] of [...rows, ...calls]) {
    byKey.set(key, (byKey.get(key) ?? new Set()).add(id));
  }
  byKey.delete(null);
  const unheard = [...rows.keys()].filter((id) => !calls.has(id));
  return [
    ...[...byKey]
      .filter(([, ids]) => ids.size > 1)
      .map(([key, ids]) => `key ${key ?? ''}: ${[...ids].join(' ')}`),
    ...(unheard.length > inFlight ? unheard : []),
  ];
}

function describe({ id, state, reserved, charged }: CrashedRow): string {
  return `${id} (${state}, ${charged} of ${reserved})`;
}

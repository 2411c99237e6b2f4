import { globalScopeLimits } from '../../budget/decide.ts';
import { ownLimits, type ScopeLimits } from '../../budget/limits.ts';
import { WINDOW_KINDS, windowsAt, type WindowKind } from '../../budget/windows.ts';
import type { Measurements } from '../../ledger/measurements.ts';
import type { WindowRow } from '../../ledger/port.ts';
import { LIMIT_OF_WINDOW } from '../../ledger/window-status.ts';
import type { SeriesLabels } from './series-labels.ts';
import type { Family } from './family.ts';

/** What was used, held and asked for in the current month, day and hour, as gauges. Pure. */
export function windowFamilies(measured: Measurements, aiTypes: SeriesLabels): Family[] {
  const counts = countsOf(measured, aiTypes);
  const family = (
    name: string,
    help: string,
    valueOf: (counts: Counts) => number | null,
  ): Family => ({
    name,
    help: `${help}, in the current window`,
    samples: counts.flatMap((each) => {
      const value = valueOf(each);
      return value === null ? [] : [{ labels: each.labels, value }];
    }),
  });
  return [
    family('tokenctl_usage_tokens', 'Tokens that settled requests used', ({ used }) => used),
    family('tokenctl_held_tokens', 'Tokens that open reservations hold', ({ held }) => held),
    family('tokenctl_limit_tokens', 'The limit on used and held tokens', ({ limit }) => limit),
    family(
      'tokenctl_usage_ratio',
      'Used and held tokens of the limit, 1 is all of it',
      ({ used, held, limit }) => ratio(used + held, limit),
    ),
    family(
      'tokenctl_window_requests',
      'Requests that were counted, failed ones included, denied ones not',
      ({ requests }) => requests,
    ),
    family(
      'tokenctl_window_failed_requests',
      'Requests that failed, or were never settled',
      ({ failed }) => failed,
    ),
    family(
      'tokenctl_window_expired_requests',
      'Requests whose reservation expired: nobody settled it, and it is charged in full',
      ({ expired }) => expired,
    ),
    family('tokenctl_window_denied_requests', 'Requests that were denied', ({ denied }) => denied),
    {
      name: 'tokenctl_window_reset_timestamp_seconds',
      help: 'When the current window ends, in Unix time',
      samples: Object.values(windowsAt(measured.snapshot.nowMs)).map(({ kind, resetsAtMs }) => ({
        labels: { window: kind },
        value: resetsAtMs / 1_000,
      })),
    },
  ];
}

interface Counts {
  readonly labels: Readonly<Record<string, string>>;
  readonly limit: number | null;
  used: number;
  held: number;
  requests: number;
  failed: number;
  expired: number;
  denied: number;
}

/** Each window of the global scope and of each label, also those in which nothing was counted yet. */
function countsOf({ snapshot, expired }: Measurements, aiTypes: SeriesLabels) {
  const {
    nowMs,
    limits: { limits },
    windows,
  } = snapshot;
  const current = windowsAt(nowMs);
  const rows = windows.filter(({ kind, start }) => current[kind].start === start);
  const counts = new Map<string, Record<WindowKind, Counts>>();
  const scope = (name: string, labels: Counts['labels'], own: ScopeLimits | null) => {
    let found = counts.get(name);
    if (found === undefined) {
      found = emptyScope(labels, own);
      counts.set(name, found);
    }
    return found;
  };
  // No AI type has this name.
  scope('global', { scope: 'global' }, globalScopeLimits(limits));
  const aiType = (label: string, own: ScopeLimits | null) =>
    scope(label, { scope: 'ai_type', ai_type: label }, own);
  // Who has limits, and who uses most, is shown by name.
  for (const name of Object.keys(limits.aiTypes)) {
    const label = aiTypes.ofLimited(name);
    aiType(label, label === name ? ownLimits(limits, name) : null);
  }
  for (const name of byUse(rows)) aiType(aiTypes.of(name), null);
  for (const row of rows) {
    const name = row.aiType === null ? 'global' : aiTypes.of(row.aiType);
    const found = counts.get(name);
    if (found !== undefined) add(found[row.kind], row);
  }
  for (const requests of expired) {
    for (const name of ['global', aiTypes.of(requests.aiType)]) {
      const found = counts.get(name);
      if (found === undefined) continue;
      for (const kind of WINDOW_KINDS) found[kind].expired += requests[kind];
    }
  }
  return [...counts.values()].flatMap((each) => WINDOW_KINDS.map((kind) => each[kind]));
}

function byUse(rows: readonly WindowRow[]): string[] {
  return rows
    .toSorted((a, b) => b.used + b.held - (a.used + a.held))
    .flatMap(({ aiType }) => aiType ?? []);
}

function emptyScope(labels: Counts['labels'], own: ScopeLimits | null): Record<WindowKind, Counts> {
  const empty = (window: WindowKind): Counts => ({
    labels: { ...labels, window },
    limit: own === null ? null : own[LIMIT_OF_WINDOW[window]],
    ...{ used: 0, held: 0, requests: 0, failed: 0, expired: 0, denied: 0 },
  });
  return { month: empty('month'), day: empty('day'), hour: empty('hour') };
}

function add(counts: Counts, row: WindowRow): void {
  counts.used += row.used;
  counts.held += row.held;
  counts.requests += row.requests + row.requestsReset;
  counts.failed += row.failed;
  counts.denied += row.denied;
}

/** A limit of nothing is reached by the first token. */
function ratio(taken: number, limit: number | null): number | null {
  if (limit === null) return null;
  if (limit === 0) return taken > 0 ? 1 : 0;
  return taken / limit;
}

import type { MonitorCheck } from '../../app.ts';
import type { Percent } from '../../budget/levels.ts';
import { isoTime, type IsoTime } from '../../budget/windows.ts';
import type { Alert } from '../../ledger/alerts.ts';
import type { Binding } from '../../ledger/binding.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { ruleText } from '../../ledger/status-words.ts';
import type { Screen, Severity } from '../output.ts';
import { levelText } from './status.ts';
import { count, limitText, percentText } from './text.ts';

/** One check of the monitor; what `monitor --json` prints, a line each. */
export interface MonitorLine {
  readonly schemaVersion: 1;
  readonly time: IsoTime;
  /** The database did not answer: only `time` and `error` say something. */
  readonly lost: boolean;
  readonly level: StatusReport['level'] | null;
  /** The month's, of the enforced monthly limit. */
  readonly percent: Percent | null;
  readonly used: number | null;
  readonly held: number | null;
  readonly limit: number | null;
  readonly largestAdmissible: number | null;
  readonly binding: Binding | null;
  /** What is raised now, and what only holds reach and has not lasted yet; empty when lost. */
  readonly alerts: readonly OpenAlert[];
  /** Since when the database has not answered; null when it does. */
  readonly lostSince: IsoTime | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** An alert that is not over. */
interface OpenAlert {
  readonly level: Alert['level'];
  readonly state: 'pending' | 'raised';
  readonly message: string;
  /** When it was first seen, and raised. */
  readonly seenAt: IsoTime;
  readonly raisedAt: IsoTime | null;
}

export function monitorLine({ report, open }: Pick<MonitorCheck, 'report' | 'open'>): MonitorLine {
  const month = report.windows.find((row) => row.scope === 'global' && row.window === 'month');
  return {
    schemaVersion: 1,
    time: report.time,
    lost: false,
    level: report.level,
    percent: month?.percent ?? null,
    used: month?.used ?? null,
    held: month?.held ?? null,
    limit: month?.limit ?? null,
    largestAdmissible: report.largestAdmissible,
    binding: report.binding,
    alerts: open.map(({ level, state, message, seenAtMs, raisedAtMs }) => ({
      ...{ level, state: state === 'pending' ? state : 'raised', message },
      ...{ seenAt: isoTime(seenAtMs), raisedAt: raisedAtMs === null ? null : isoTime(raisedAtMs) },
    })),
    lostSince: null,
    error: null,
  };
}

/** A check that the database did not answer. */
export function lostLine(
  time: IsoTime,
  lostSince: IsoTime,
  { code, message }: { readonly code: string; readonly message: string },
): MonitorLine {
  return {
    schemaVersion: 1,
    time,
    lost: true,
    level: null,
    percent: null,
    used: null,
    held: null,
    limit: null,
    largestAdmissible: null,
    binding: null,
    alerts: [],
    lostSince,
    error: { code, message },
  };
}

/** How much each level matters in a journal. */
export const SEVERITIES: Readonly<Record<StatusReport['level'], Severity>> = {
  ...{ ok: 'info', warning: 'warning' },
  ...{ critical: 'error', emergency: 'critical' },
};

/** How much a check matters; a lost database as much as the level that denies some requests. */
export function severityOf({ level }: MonitorLine): Severity {
  return level === null ? 'error' : SEVERITIES[level];
}

export function monitorText(line: MonitorLine, screen: Screen): string {
  const time = `${line.time.slice(0, 19)}Z`;
  if (line.level === null) {
    const since = line.lostSince === null ? '' : `since ${line.lostSince.slice(0, 19)}Z  `;
    return `${time}  ${screen.colors.red('LOST')}  ${since}${line.error?.message ?? ''}`;
  }
  const { used, held, limit, binding, largestAdmissible } = line;
  const rule = binding === null ? 'no limit binds' : `${ruleText(binding)} binds`;
  return [
    time,
    levelText(line.level, screen),
    percentText(line.percent),
    `${count(used ?? 0)} used + ${count(held ?? 0)} held of ${limitText(limit)}`,
    `largest ${limitText(largestAdmissible)}`,
    rule,
  ].join('  ');
}

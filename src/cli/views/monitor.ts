import type { MonitorCheck } from '../../app.ts';
import type { Percent } from '../../budget/levels.ts';
import { isoTime, type IsoTime } from '../../budget/windows.ts';
import type { AlertCare } from '../../ledger/alert-status.ts';
import type { Alert } from '../../ledger/alerts.ts';
import type { Binding } from '../../ledger/binding.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { ruleText } from '../../ledger/status-words.ts';
import type { Screen, Severity } from '../output.ts';
import { silenceEntry, type SilenceEntry } from '../../alerts/care-documents.ts';
import { levelText } from './status.ts';
import { count, counted, limitText, percentText, timeText } from './text.ts';

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
  /** What is raised now, and what has not lasted yet; when lost that it is blind, once that was told. */
  readonly alerts: readonly OpenAlert[];
  /** While it lasts nothing goes to the channels of the configuration; null without one, or when lost. */
  readonly silence: SilenceEntry | null;
  /** Since when the database has not answered; null when it does. */
  readonly lostSince: IsoTime | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** An alert that is not over. */
interface OpenAlert {
  readonly id: string;
  readonly kind: Alert['kind'];
  /** `global`, or an AI type. */
  readonly scope: string;
  readonly level: Alert['level'];
  readonly state: 'pending' | 'raised';
  readonly message: string;
  /** When it was first seen, and raised. */
  readonly seenAt: IsoTime;
  readonly raisedAt: IsoTime | null;
  /** When someone said that they take care of it, and who. */
  readonly ackedAt: IsoTime | null;
  readonly ackedBy: string | null;
}

type Found = Pick<MonitorCheck, 'report' | 'open'> & { readonly care: AlertCare | null };

export function monitorLine({ report, open, care }: Found): MonitorLine {
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
    alerts: open.map((alert) => openAlert(alert, care)),
    silence: silenceEntry(care?.silence ?? null),
    lostSince: null,
    error: null,
  };
}

function openAlert(alert: Alert, care: AlertCare | null): OpenAlert {
  const { id, kind, aiType, level, state, message, seenAtMs, raisedAtMs } = alert;
  const acked = care?.open.find((each) => each.id === id);
  return {
    ...{ id, kind, scope: aiType ?? 'global' },
    ...{ level, state: state === 'pending' ? state : 'raised', message },
    ...{ seenAt: isoTime(seenAtMs), raisedAt: timeOrNull(raisedAtMs) },
    ...{ ackedAt: timeOrNull(acked?.ackedAtMs ?? null), ackedBy: acked?.ackedBy ?? null },
  };
}

function timeOrNull(atMs: number | null): IsoTime | null {
  return atMs === null ? null : isoTime(atMs);
}

/** A check that the database did not answer. @param blind what is told of it; null when not yet */
export function lostLine(
  time: IsoTime,
  lostSince: IsoTime,
  { code, message }: { readonly code: string; readonly message: string },
  blind: Alert | null = null,
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
    alerts: blind === null ? [] : [openAlert(blind, null)],
    silence: null,
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
    ...(line.alerts.some(({ state }) => state === 'raised') ? [openText(line.alerts)] : []),
    ...(line.silence === null ? [] : [`silent until ${timeText(line.silence.until)}`]),
  ].join('  ');
}

/** `2 alerts, 1 acked` */
function openText(alerts: readonly OpenAlert[]): string {
  const raised = alerts.filter(({ state }) => state === 'raised');
  const acked = raised.filter(({ ackedAt }) => ackedAt !== null).length;
  const all = counted(raised.length, 'alert');
  return acked === 0 ? all : `${all}, ${acked === raised.length ? '' : `${count(acked)} `}acked`;
}

import { ALERT_KINDS } from '../../budget/alert-kinds.ts';
import { LEVELS } from '../../budget/levels.ts';
import type { IsoTime } from '../../budget/windows.ts';
import type { Measurements } from '../../ledger/measurements.ts';
import { statusReport, type StatusReport } from '../../ledger/status.ts';
import type { SeriesLabels } from './series-labels.ts';
import { single, type Family } from './family.ts';
import { windowFamilies } from './window-families.ts';

/** The ledger at one instant, as gauges: they fall when a window ends, and when usage is reset. Pure. */
export function ledgerFamilies(measured: Measurements, aiTypes: SeriesLabels): Family[] {
  const { snapshot, openReservations, overdueTokens } = measured;
  const report = statusReport(snapshot, '');
  return [
    ledgerUp(true),
    ...windowFamilies(measured, aiTypes),
    ...levelFamilies(report),
    ...rateFamilies(report),
    single(
      'tokenctl_largest_admissible_tokens',
      'The largest request that passes now, in tokens; 0 where none does',
      report.largestAdmissible,
    ),
    single(
      'tokenctl_limit_reached_timestamp_seconds',
      'When the limit of the month is reached if usage goes on as in the last day, in Unix time; absent where not this month',
      seconds(report.burnRate.limitReachedAt),
    ),
    single(
      'tokenctl_open_reservations',
      'Reservations that are open now: their tokens are held',
      openReservations,
    ),
    single(
      'tokenctl_overdue_tokens',
      'Tokens of open reservations past their time: they count as used, and are charged with the next batch',
      overdueTokens,
    ),
    single(
      'tokenctl_last_log_timestamp_seconds',
      'When the newest counted request was made, in Unix time; absent in an empty log',
      seconds(report.lastLogAt),
    ),
    single(
      'tokenctl_limits_revision',
      'The revision of the limits in force; each change makes a new one',
      report.limitsRevision,
    ),
    alertFamily(measured),
  ];
}

/** What is left to say of a ledger that does not answer. */
export const LOST: readonly Family[] = [ledgerUp(false)];

function ledgerUp(up: boolean): Family {
  return single(
    'tokenctl_ledger_up',
    'Whether the database answered this scrape: 1 or 0. At 0 what is read from it is left out',
    up ? 1 : 0,
  );
}

function levelFamilies({ level, thresholds }: StatusReport): Family[] {
  const at = {
    warning: thresholds.warningAt,
    critical: thresholds.criticalAt,
    emergency: thresholds.emergencyAt,
  };
  return [
    single(
      'tokenctl_level',
      'How near the limit of the month is: 0 ok, 1 warning, 2 critical (large requests are denied), 3 emergency (every request is denied)',
      LEVELS.indexOf(level),
    ),
    {
      name: 'tokenctl_level_threshold_tokens',
      help: 'Where a level begins, in used and held tokens of the month; absent where it is off',
      samples: Object.entries(at).flatMap(([name, value]) =>
        value === null ? [] : [{ labels: { level: name }, value }],
      ),
    },
  ];
}

function rateFamilies({ rates }: StatusReport): Family[] {
  return [
    {
      name: 'tokenctl_rate_requests',
      help: 'Requests of the last 60 seconds (minute) and of the UTC day (day), whatever was reset',
      samples: rates.map(({ window, requests }) => ({ labels: { window }, value: requests })),
    },
    {
      name: 'tokenctl_rate_limit_requests',
      help: 'The limit on these requests; absent where it is off',
      samples: rates.flatMap(({ window, limit }) =>
        limit === null ? [] : [{ labels: { window }, value: limit }],
      ),
    },
  ];
}

/** Zeros too, so that an alert that comes is a change. */
function alertFamily({ raised }: Measurements): Family {
  return {
    name: 'tokenctl_alerts_open',
    help: 'Alerts that a monitor has raised and that are not over',
    samples: ALERT_KINDS.flatMap((kind) =>
      LEVELS.slice(1).map((level) => ({
        labels: { kind, level },
        value: raised.filter((alert) => alert.kind === kind && alert.level === level).length,
      })),
    ),
  };
}

function seconds(time: IsoTime | null): number | null {
  return time === null ? null : Date.parse(time) / 1_000;
}

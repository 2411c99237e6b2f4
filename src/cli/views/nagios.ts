import type { StatusReport } from '../../ledger/status.ts';
import { NAGIOS_OF_LEVEL } from '../exit-codes.ts';
import { usageLine } from './status.ts';

const WORDS = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'];

/** One line in the form that Nagios and its kin read: words, then used + held with thresholds. */
export function nagiosLine(report: StatusReport): string {
  const word = WORDS[NAGIOS_OF_LEVEL[report.level]] ?? 'UNKNOWN';
  const perfdata = report.windows
    .filter((row) => row.scope === 'global')
    .map((row) => {
      const month = row.window === 'month';
      const warn = month ? text(report.thresholds.warningAt) : '';
      const critical = month ? text(report.thresholds.criticalAt) : '';
      return `${row.window}=${String(row.used + row.held)};${warn};${critical};0;${text(row.limit)}`;
    });
  return `TOKENCTL ${word} - ${usageLine(report)} | ${perfdata.join(' ')}`;
}

function text(limit: number | null): string {
  return limit === null ? '' : String(limit);
}

/** The same where there is no answer. A pipe would begin the figures, so it becomes a slash. */
export function nagiosUnknown(message: string): string {
  return `TOKENCTL UNKNOWN - ${message.replaceAll('|', '/').replaceAll('\n', ' ')}`;
}

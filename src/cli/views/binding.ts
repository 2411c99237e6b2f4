import type { Binding } from '../../ledger/binding.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { count, counted, duration } from './text.ts';

/** The largest request that passes now, which rule stops a larger one, and when that changes. */
export function bindingText(
  { binding, largestAdmissible, windows }: StatusReport,
  nowMs: number,
): string {
  if (binding === null) return 'any request passes now: every limit is off';
  const passes =
    largestAdmissible === null || largestAdmissible === 0
      ? 'no request passes now'
      : `a request of ${counted(largestAdmissible, 'token')} passes now`;
  const emptied = windows.find(
    (row) => row.scope === binding.scope && row.window === binding.window,
  );
  // A window that is empty already lets no more pass when it resets.
  const whole = binding.unit === 'tokens' && emptied?.remaining === emptied?.limit;
  const frees =
    binding.freesAt === null || (whole && emptied !== undefined)
      ? 'waiting does not help'
      : `frees in ${duration(Date.parse(binding.freesAt) - nowMs)}`;
  return `${passes}; ${ruleText(binding)} binds first, ${frees}`;
}

/** `the hour's limit of 194 tokens (194 left)` */
export function ruleText({ scope, window, unit, limit, remaining }: Binding): string {
  const whose = scope === 'global' ? 'the' : `${scope}'s`;
  const left = `(${count(remaining)} left)`;
  switch (window) {
    case 'month':
    case 'day':
    case 'hour':
      return unit === 'requests'
        ? `the limit of ${counted(limit, 'request')} a ${window} ${left}`
        : `${whose} limit of ${counted(limit, 'token')} a${window === 'hour' ? 'n' : ''} ${window} ${left}`;
    case 'minute':
      return `the limit of ${counted(limit, 'request')} in 60 s ${left}`;
    case 'request':
      return `${whose} limit of ${counted(limit, 'token')} a request`;
    case 'level':
      return remaining === 0
        ? `the emergency stop at ${counted(limit, 'token')} of the month`
        : `the level critical's limit of ${counted(limit, 'token')} a request`;
  }
}

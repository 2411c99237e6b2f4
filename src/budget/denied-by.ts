import { readVerdict, type PastDenial } from './rejudge.ts';
import type { Reason } from './verdict.ts';
import { WINDOW_KINDS } from './windows.ts';

/** The rule that denied the most of these requests, in words; null where none can be read. */
export function mostDeniedBy(denials: readonly PastDenial[]): string | null {
  const counts = new Map<string, number>();
  for (const { verdict, count } of denials) {
    const [reason] = readVerdict(verdict)?.reasons ?? [];
    const rule = reason === undefined ? null : ruleOf(reason);
    if (rule !== null) counts.set(rule, (counts.get(rule) ?? 0) + count);
  }
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}

function ruleOf({ code, scope, window }: Reason): string | null {
  // It was read from the log, where anyone may have written it.
  const known = scope !== null && scope !== 'global' && /^[a-z0-9_.-]{1,50}$/.test(scope);
  const whose = known ? `${scope}'s` : 'the';
  switch (code) {
    case 'window_exceeded':
      return `${whose} limit of the ${WINDOW_KINDS.find((kind) => kind === window) ?? 'window'}`;
    case 'rate_exceeded':
      return `the limit of requests a ${window === 'day' ? 'day' : 'minute'}`;
    case 'emergency_shutdown':
      return 'the emergency stop of the month';
    case 'critical_restricts_large':
      return 'the limit of a request at level critical';
    case 'request_too_large':
      return `${whose} limit of a request`;
    case 'provider_request_too_large':
      return "the provider's ceiling for one request";
    default:
      return null;
  }
}

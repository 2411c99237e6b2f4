import { ownLimits } from '../budget/limits.ts';
import { levelAt } from '../budget/levels.ts';
import { isoTime, windowsAt, type IsoTime } from '../budget/windows.ts';
import type { Snapshot } from './snapshot.ts';
import type { WindowStatus } from './window-status.ts';

/** The rule that lets the least pass now. */
export interface Binding {
  /** 'global' or an AI type. */
  readonly scope: string;
  readonly window: 'month' | 'day' | 'hour' | 'request' | 'minute' | 'level';
  readonly unit: 'tokens' | 'requests';
  readonly limit: number;
  readonly remaining: number;
  /** When it lets more pass, if nothing else is used until then; null when time does not help. */
  readonly freesAt: IsoTime | null;
}

/** The first rule that a growing request would break: what an operator must change or wait for. */
export function bindingOf(
  snapshot: Snapshot,
  windows: readonly WindowStatus[],
  aiType: string | null,
): Binding | null {
  const { limits } = snapshot.limits;
  const { nowMs } = snapshot;
  const calendar = windowsAt(nowMs);
  const global = windows.find((row) => row.scope === 'global' && row.window === 'month');
  const level = levelAt((global?.used ?? 0) + (global?.held ?? 0), limits);
  const monthReset = isoTime(calendar.month.resetsAtMs);
  if (level === 'emergency') {
    const limit = limits.emergencyAt ?? 0;
    return {
      scope: 'global',
      window: 'level',
      unit: 'tokens',
      limit,
      remaining: 0,
      freesAt: monthReset,
    };
  }
  const rates: Binding[] = [];
  const { requestsPerMinute, requestsPerDay } = limits;
  if (requestsPerMinute !== null && snapshot.requestsLastMinute >= requestsPerMinute) {
    const freesAt = snapshot.minuteFreesAtMs === null ? null : isoTime(snapshot.minuteFreesAtMs);
    rates.push({
      scope: 'global',
      window: 'minute',
      unit: 'requests',
      limit: requestsPerMinute,
      remaining: 0,
      freesAt,
    });
  }
  if (requestsPerDay !== null && snapshot.requestsToday >= requestsPerDay) {
    const freesAt = isoTime(calendar.day.resetsAtMs);
    rates.push({
      scope: 'global',
      window: 'day',
      unit: 'requests',
      limit: requestsPerDay,
      remaining: 0,
      freesAt,
    });
  }
  const candidates: Binding[] = windows.flatMap((row): Binding[] => {
    if (row.limit === null || row.remaining === null) return [];
    if (row.scope !== 'global' && row.scope !== aiType) return [];
    const { scope, window, limit, remaining, resetsAt } = row;
    return [{ scope, window, unit: 'tokens', limit, remaining, freesAt: resetsAt }];
  });
  const size = (limit: number | null, window: 'request' | 'level', scope = 'global'): void => {
    if (limit === null) return;
    const freesAt = window === 'level' ? monthReset : null;
    candidates.push({ scope, window, unit: 'tokens', limit, remaining: limit, freesAt });
  };
  if (level === 'critical') size(limits.criticalRequest, 'level');
  size(limits.request, 'request');
  size(limits.tokensPerRequest, 'request');
  if (aiType !== null) size(ownLimits(limits, aiType)?.request ?? null, 'request', aiType);
  const [first] = [...rates, ...candidates].toSorted(
    (a, b) => a.remaining - b.remaining || freesAtMs(b) - freesAtMs(a),
  );
  return first ?? null;
}

/** Of rules that let the same pass, what frees last is what must be waited for; a size comes after them. */
function freesAtMs({ freesAt }: Binding): number {
  return freesAt === null ? 0 : Date.parse(freesAt);
}

import type { Settings, SettingValue } from '../../src/budget/limits.ts';

/** The limits in force, written a second time from docs/rules.md; null is off. */

interface OwnLimits {
  readonly month: number | null;
  readonly day: number | null;
  readonly hour: number | null;
  readonly request: number | null;
}

export interface ModelLimits extends OwnLimits {
  readonly perMinute: number | null;
  readonly perDay: number | null;
  readonly tokensPerRequest: number | null;
  readonly criticalRequest: number | null;
  readonly warningAt: number | null;
  readonly criticalAt: number | null;
  readonly emergencyAt: number | null;
  readonly ttlSeconds: number;
  readonly aiTypes: ReadonlyMap<string, OwnLimits>;
}

export function modelLimits({ global, aiTypes }: Settings): ModelLimits {
  const amount = (value: SettingValue | undefined, usual: number | null): number | null => {
    if (value === undefined) return usual;
    return value === 'off' ? null : Number.parseInt(String(value), 10);
  };
  /** An amount, `off`, or a share of `whole`. */
  const sharable = (
    value: SettingValue | undefined,
    whole: number | null,
    usual: number | null,
  ): number | null =>
    typeof value === 'string' && value.endsWith('%')
      ? nearest(whole, Number.parseInt(value, 10), 100)
      : amount(value, usual);

  const monthly = amount(global.monthly, 200_000);
  const share = amount(global.enforcedShare, 70) ?? 0;
  const month = amount(global.enforcedMonthly, nearest(monthly, share, 100));
  const day = sharable(global.daily, month, nearest(month, 1, 30));
  const hour = sharable(global.hourly, month, nearest(day, 1, 24));
  const request = amount(global.request, 1_000);
  const tokensPerRequest = amount(global.tokensPerRequest, 17_000);
  const largest = request ?? tokensPerRequest;
  const threshold = (value: SettingValue | undefined, usual: number): number | null => {
    const percent = amount(value, usual);
    return percent === null || month === null ? null : Math.ceil((month * percent) / 100);
  };
  return {
    month,
    day,
    hour,
    request,
    perMinute: amount(global.requestsPerMinute, 42),
    perDay: amount(global.requestsPerDay, 3_400),
    tokensPerRequest,
    criticalRequest: sharable(global.criticalRequest, largest, nearest(largest, 25, 100)),
    warningAt: threshold(global.warning, 80),
    criticalAt: threshold(global.critical, 95),
    emergencyAt: threshold(global.emergency, 98),
    ttlSeconds: amount(global.reservationTtl, 600) ?? 0,
    aiTypes: new Map(
      Object.entries(aiTypes).map(([name, own]) => [
        name,
        {
          month: own.monthly ?? null,
          day: own.daily ?? null,
          hour: own.hourly ?? null,
          request: own.request ?? null,
        },
      ]),
    ),
  };
}

/** whole × part / of, to the nearest whole number, halves up. */
function nearest(whole: number | null, part: number, of: number): number | null {
  return whole === null ? null : Math.floor((whole * part) / of + 0.5);
}

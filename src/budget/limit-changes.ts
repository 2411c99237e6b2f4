import type { Limits } from './limits.ts';

/** Every number of the limits in force, by the names that scripts use. */
export function effectiveLimits(limits: Limits): Omit<Limits, 'aiTypes'> {
  const { aiTypes, ...effective } = limits;
  return effective;
}

/** One limit before and after a change. */
export interface LimitChange {
  readonly scope: string;
  readonly key: string;
  readonly before: number | null;
  readonly after: number | null;
}

/** What a change of settings changes in force, derived limits included. */
export function limitChanges(before: Limits, after: Limits): LimitChange[] {
  const changes: LimitChange[] = [];
  const compare = (scope: string, old: object, now: object): void => {
    const [oldValues, nowValues] = [old, now] as Record<string, number | null>[];
    for (const key of Object.keys({ ...old, ...now })) {
      const [was, is] = [oldValues?.[key] ?? null, nowValues?.[key] ?? null];
      if (was !== is) changes.push({ scope, key, before: was, after: is });
    }
  };
  compare('global', effectiveLimits(before), effectiveLimits(after));
  for (const name of Object.keys({ ...before.aiTypes, ...after.aiTypes })) {
    compare(name, before.aiTypes[name] ?? {}, after.aiTypes[name] ?? {});
  }
  return changes;
}

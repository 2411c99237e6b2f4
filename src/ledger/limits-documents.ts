import type { Finding } from '../budget/finding.ts';
import { effectiveLimits, limitChanges, type LimitChange } from '../budget/limit-changes.ts';
import type { Derivation, Limits, ScopeLimits, Settings } from '../budget/limits.ts';
import { lintLimits } from '../budget/lint.ts';
import type { LimitEffect } from './limit-effect.ts';
import type { LimitsInForce } from './limits-in-force.ts';

/** The limits and their changes, in the shape that JSON and HTTP have. */

export interface LimitsDocument {
  /** 0 where nothing was ever set. */
  readonly revision: number;
  /** The numbers in force; null where a limit is off. */
  readonly effective: Omit<Limits, 'aiTypes'>;
  /** The AI types' own limits, by their names. */
  readonly aiTypes: Readonly<Record<string, ScopeLimits>>;
  readonly settings: Settings;
  /** Where each number of `effective` comes from, by its name. */
  readonly derivations: Readonly<Record<string, Derivation>>;
}

export interface LimitsChangeDocument {
  /** The new revision; the one before where nothing was changed. */
  readonly revision: number;
  /** The revision that was in force before, which `limits rollback` takes; 0 where nothing was ever set. */
  readonly revisionBefore: number;
  /** Whether the settings differ from those in force; with a dry run, whether they would. */
  readonly changed: boolean;
  readonly dryRun: boolean;
  readonly changes: readonly LimitChange[];
  /** Null where nothing changes. */
  readonly effect: LimitEffect | null;
  /** The numbers after the change; null where a limit is off. */
  readonly effective: Omit<Limits, 'aiTypes'>;
  /** The problems of the limits after the change. */
  readonly findings: readonly Finding[];
}

export function limitsDocument(inForce: LimitsInForce): LimitsDocument {
  const { revision, settings, limits, derivations } = inForce;
  const { aiTypes } = limits;
  return { revision, effective: effectiveLimits(limits), aiTypes, settings, derivations };
}

/** @param effect null where the settings stay as they are */
export function limitsChangeDocument(
  {
    before,
    after,
    effect,
  }: Record<'before' | 'after', LimitsInForce> & {
    readonly effect: LimitEffect | null;
  },
  dryRun: boolean,
): LimitsChangeDocument {
  return {
    revision: after.revision,
    revisionBefore: before.revision,
    ...{ changed: effect !== null, dryRun, effect },
    changes: limitChanges(before.limits, after.limits),
    effective: effectiveLimits(after.limits),
    findings: lintLimits(after.settings).filter(({ severity }) => severity === 'problem'),
  };
}

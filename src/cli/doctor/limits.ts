import { environmentDrift } from '../../budget/environment-limits.ts';
import type { Settings } from '../../budget/limits.ts';
import { lintLimits } from '../../budget/lint.ts';
import { limitsReader } from '../../ledger/limits-in-force.ts';
import type { StoredRevision } from '../../ledger/port.ts';
import { ok, problem, type Check } from './check.ts';

/** Limits that contradict each other, and those that the environment asks for in vain. */
export function limitChecks(stored: StoredRevision | null, wanted: Settings | null): Check[] {
  const { revision, settings } = limitsReader()(stored);
  const findings = lintLimits(settings).filter(({ severity }) => severity === 'problem');
  const drift = wanted === null ? [] : environmentDrift(wanted, settings);
  return [
    ...(findings.length === 0
      ? [ok('limits', `revision ${String(revision)}, none contradicts another`)]
      : findings.map(({ message, fix }) => problem('limits', message, fix))),
    ...drift.map((line) => problem('environment', line, 'tokenctl limits apply --env')),
  ];
}

import { ENDING_DAYS, type EndingToken, type Fact } from '../../ledger/health/facts.ts';
import { duration, oneLine } from '../views/text.ts';
import { note, ok, type Check } from './check.ts';

/** Access tokens whose end will stop somebody, or has; nothing where this role may not read them. */
export function tokenChecks(ending: Fact<readonly EndingToken[]>, nowMs: number): Check[] {
  if (!('value' in ending)) return [];
  if (ending.value.length === 0) {
    return [ok('tokens', `no access token in use ends within ${String(ENDING_DAYS)} days`)];
  }
  return ending.value.map(({ name, prefix, expiresAtMs }) => {
    const leftMs = expiresAtMs - nowMs;
    const when = leftMs > 0 ? `ends in ${duration(leftMs)}` : `ended ${duration(-leftMs)} ago`;
    return note(
      'tokens',
      `"${oneLine(name)}" (${prefix}) is in use and ${when}`,
      'give its owner another (tokenctl token create), then: tokenctl token revoke ' + prefix,
    );
  });
}

import { sorted, type Reserve, type Verdict } from './commands.ts';
import { brokenRules, largestAdmissible, retryAt, type Counted } from './model-decide.ts';

export type Request = Pick<Reserve, 'aiType' | 'items'>;

/** The verdict on a request against what is counted; without a reservation. */
export function judge({ aiType, items }: Request, counted: Counted): Verdict {
  const sizes = items.map((item) => item.input + item.output);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const input = items.reduce((sum, item) => sum + item.input, 0);
  const largestItem = Math.max(...sizes);
  const reasons = brokenRules(counted, { tokens: total, largestItem, items: items.length });
  return {
    admitted: reasons.length === 0,
    aiType,
    estimate: { input, output: total - input, total },
    reasons: sorted(reasons),
    retryAt: reasons.length === 0 ? null : retryAt(reasons),
    largestAdmissible: largestAdmissible(counted),
    reservation: null,
  };
}

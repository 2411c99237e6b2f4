import { describe, expect, it } from 'vitest';
import { scopeLabels } from '../../src/budget/labels.ts';
import { limitsOf } from './requests.ts';

describe('the amounts that label a month', () => {
  it('are, for global, its levels', () => {
    expect(scopeLabels(limitsOf({}))).toEqual([
      { aiType: null, monthly: 140_000, warningAt: 112_000, criticalAt: 133_000 },
    ]);
  });

  it("are of an AI type's own month, rounded up, where it has one", () => {
    const limits = limitsOf({}, { imperium: { monthly: 101 }, guardian: { hourly: 5 } });
    expect(scopeLabels(limits).slice(1)).toEqual([
      { aiType: 'imperium', monthly: 101, warningAt: 81, criticalAt: 96 },
    ]);
  });

  it.each([
    [{ warning: 'off' } as const, { monthly: 140_000, warningAt: null, criticalAt: 133_000 }],
    [{ monthly: 'off' } as const, { monthly: null, warningAt: null, criticalAt: null }],
  ])('with %j are off', (global, labels) => {
    expect(scopeLabels(limitsOf(global))[0]).toEqual({ aiType: null, ...labels });
  });
});

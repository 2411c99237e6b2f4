import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentMap } from '../../src/server/recent-map.ts';

describe('a map of what is recent', () => {
  it('keeps what was set last, never more than it may', () => {
    const keys = fc.array(fc.integer({ min: 0, max: 20 }));
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 10 }), (set, most) => {
        const map = new RecentMap<number, number>(most);
        for (const [index, key] of set.entries()) {
          map.set(key, index);
          expect(map.size).toBeLessThanOrEqual(most);
        }
        const newest = [...new Set(set.toReversed())];
        for (const [age, key] of newest.entries()) {
          expect(map.get(key)).toBe(age < most ? set.lastIndexOf(key) : undefined);
        }
      }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { parseAiType } from '../../src/budget/ai-type.ts';
import { SeriesLabels } from '../../src/server/metrics/series-labels.ts';

const names = (prefix: string, many: number): string[] =>
  Array.from({ length: many }, (_, index) => `${prefix}-${index}`);

describe('labels of series', () => {
  it('sum up what comes after the first hundred under a name that no AI type can have', () => {
    const labels = new SeriesLabels();
    for (const name of names('early', 100)) expect(labels.of(name)).toBe(name);
    const rest = labels.of('late');
    expect(labels.of('later')).toBe(rest);
    expect(labels.of('early-99')).toBe('early-99');
    expect(() => parseAiType(rest)).toThrow(/is no AI type/);
  });

  it('name who gets limits late, a hundred more at most', () => {
    const labels = new SeriesLabels();
    for (const name of names('early', 100)) labels.of(name);
    const rest = labels.of('limited-0');
    for (const name of names('limited', 100)) expect(labels.ofLimited(name)).toBe(name);
    expect(labels.of('limited-0')).toBe('limited-0');
    expect(labels.ofLimited('limited-100')).toBe(rest);
    expect([...labels.named]).toHaveLength(200);
  });

  it('have room for the limits of a hundred, whoever came first', () => {
    const labels = new SeriesLabels();
    for (const name of names('limited', 60)) labels.ofLimited(name);
    for (const name of names('early', 100)) labels.of(name);
    expect([...labels.named]).toHaveLength(100);
    for (const name of names('late', 100)) expect(labels.ofLimited(name)).toBe(name);
  });
});

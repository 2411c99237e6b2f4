import { describe, expect, it } from 'vitest';
import { allows, parseScopes, parseTokenName, tokenState } from '../../src/budget/access-token.ts';

describe('scopes', () => {
  it('allow themselves, and admin everything', () => {
    expect(allows(['reserve'], 'reserve')).toBe(true);
    expect(allows(['reserve'], 'read')).toBe(false);
    expect(allows(['reserve'], 'admin')).toBe(false);
    expect(allows(['read'], 'reserve')).toBe(false);
    expect(allows(['read', 'reserve'], 'read')).toBe(true);
    expect(allows(['admin'], 'read')).toBe(true);
    expect(allows(['admin'], 'reserve')).toBe(true);
    expect(allows([], 'read')).toBe(false);
  });

  it('are read in any case and order, each once', () => {
    expect(parseScopes(['Reserve', ' read', 'reserve'], '--scope')).toEqual(['read', 'reserve']);
    expect(() => parseScopes(['read', 'write'], '--scope')).toThrow('--scope: "write" is no scope');
    expect(() => parseScopes(['read,admin'], '--scope')).toThrow('"read,admin" is no scope');
  });
});

describe('a name', () => {
  it('is kept as it is, trimmed', () => {
    expect(parseTokenName('  Python-Backend, Müllers 日本 ', '--name')).toBe(
      'Python-Backend, Müllers 日本',
    );
    expect(parseTokenName('x'.repeat(100), '--name')).toHaveLength(100);
  });

  it.each([
    ['', 'is empty'],
    [' \t', 'is empty'],
    ['x'.repeat(101), 'has 101 characters'],
    ['tkc_4fQx9TzA', 'may not begin with tkc_'],
    ['a\nb', 'control character'],
    ['a\u001b[2Jb', 'control character'],
    ['a\u202eb', 'control character'],
    ['a\u2028b', 'control character'],
  ])('%j is refused', (text, problem) => {
    expect(() => parseTokenName(text, '--name')).toThrow(problem);
  });
});

describe('a state', () => {
  it.each([
    [null, null, 'active'],
    [1_001, null, 'active'],
    [1_000, null, 'expired'],
    [1_001, 999, 'revoked'],
    [1_000, 999, 'revoked'],
  ] as const)('that expires at %s and was revoked at %s is %s', (expires, revoked, state) => {
    expect(tokenState({ expiresAtMs: expires, revokedAtMs: revoked }, 1_000)).toBe(state);
  });
});

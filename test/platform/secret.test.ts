import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isToken, newToken, tokenHash, tokenPrefix } from '../../src/platform/secret.ts';

describe('a token', () => {
  it('has the form that scanners look for, and is never made twice', () => {
    const tokens = Array.from({ length: 1_000 }, newToken);
    for (const token of tokens) {
      expect(token).toMatch(/^tkc_[A-Za-z0-9_-]{48}$/);
      expect(isToken(token)).toBe(true);
      expect(tokenPrefix(token)).toBe(token.slice(0, 12));
    }
    expect(new Set(tokens).size).toBe(1_000);
  });

  it('can be told from a mistyped one', () => {
    const place = fc.integer({ min: 4, max: 51 });
    fc.assert(
      fc.property(place, fc.stringMatching(/^[A-Za-z0-9_-]$/), (at, letter) => {
        const token = newToken();
        const typed = token.slice(0, at) + letter + token.slice(at + 1);
        expect(isToken(typed)).toBe(typed === token);
      }),
    );
  });

  it('can be told from any other text, however long', () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^tkc_[A-Za-z0-9_-]{40,60}$/));
    fc.assert(
      fc.property(texts, (text) => {
        expect(isToken(text)).toBe(false);
      }),
    );
    const token = newToken();
    for (const text of [` ${token}`, `${token}\n`, token.slice(0, -1), `${token}A`]) {
      expect(isToken(text)).toBe(false);
    }
    expect(isToken(`tkc_${'A'.repeat(10_000_000)}`)).toBe(false);
  });

  it('is kept as its SHA-256', () => {
    const token = newToken();
    expect(tokenHash(token)).toBe(createHash('sha256').update(token).digest('hex'));
  });
});

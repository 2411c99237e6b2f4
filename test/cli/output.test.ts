import { describe, expect, it } from 'vitest';
import { colorLevel, isUtf8 } from '../../src/cli/output.ts';

describe('colour', () => {
  it.each([
    [true, {}, true, 1],
    [false, {}, true, 0],
    [true, { TERM: 'dumb' }, true, 0],
    [true, { NO_COLOR: '1' }, true, 0],
    [true, { NO_COLOR: '' }, true, 1],
    [true, { NO_COLOR: '1', FORCE_COLOR: '3' }, true, 0],
    [false, { FORCE_COLOR: '1' }, true, 1],
    [false, { FORCE_COLOR: '' }, true, 1],
    [false, { FORCE_COLOR: '3' }, true, 3],
    [true, { FORCE_COLOR: '0' }, true, 0],
    [true, { FORCE_COLOR: '1' }, false, 0],
  ])('terminal %s, %j, wanted %s: level %i', (isTTY, environment, wanted, level) => {
    expect(colorLevel(isTTY, environment, wanted)).toBe(level);
  });
});

describe('characters', () => {
  it.each([
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C' }, false],
    [{ LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, false],
    [{ LC_CTYPE: 'C.utf8' }, true],
    [{}, false],
    [{ WT_SESSION: 'x' }, true],
  ])('%j: UTF-8 %s', (environment, expected) => {
    expect(isUtf8(environment)).toBe(expected);
  });
});

import { describe, expect, it } from 'vitest';
import { KNOWN_AI_TYPES, parseAiType } from '../../src/budget/ai-type.ts';

const refused = (message: string, field = 'aiType'): Error =>
  expect.objectContaining({
    code: 'invalid_input',
    field,
    message: `${field}: ${message}`,
  }) as Error;
const rule = "1 to 50 of a-z, 0-9, '_', '.', '-', beginning with a letter or digit";

describe('the name of an AI type', () => {
  it.each([...KNOWN_AI_TYPES, 'a', '0', 'a.b_c-d', 'x'.repeat(50), 'constructor', 'globals'])(
    '%s is accepted',
    (name) => {
      expect(parseAiType(name)).toBe(name);
    },
  );

  it.each([
    [' imperium\n', 'imperium'],
    ['IMPERIUM', 'imperium'],
    ['Chat-Bot', 'chat-bot'],
  ])('%j means %s', (text, name) => {
    expect(parseAiType(text)).toBe(name);
  });

  it.each(['', ' ', '_a', '-a', '.a', 'a b', 'a/b', 'ä', 'a\u0000b', 'x'.repeat(51), '__proto__'])(
    '%j is refused with the rule',
    (text) => {
      expect(() => parseAiType(text)).toThrow(`is no AI type: ${rule}`);
    },
  );

  it.each(['global', 'all', 'none', 'unknown', 'GLOBAL', ' all '])('%j is reserved', (text) => {
    expect(() => parseAiType(text)).toThrow(
      refused(`"${text.trim().toLowerCase()}" is reserved and can't be an AI type`),
    );
  });

  it.each([
    [null, 'null'],
    [undefined, 'undefined'],
    [5, 'number'],
    [{}, 'object'],
  ])('%j is refused as %s', (value, kind) => {
    expect(() => parseAiType(value)).toThrow(refused(`must be a name, not ${kind}`));
  });

  it('the error names the field as the caller spells it', () => {
    expect(() => parseAiType(5, '--ai-type')).toThrow(
      refused('must be a name, not number', '--ai-type'),
    );
  });

  it('the error prints no control characters, and no more than 60 characters of the name', () => {
    expect(() => parseAiType('a\u001b[31mb')).toThrow('aiType: "a?[31mb" is no AI type');
    expect(() => parseAiType('é'.repeat(100))).toThrow(`"${'é'.repeat(60)}…" is no AI type`);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ESTIMATORS, estimateInput, parseEstimatorName } from '../../src/budget/estimate.ts';
import type { PromptContent } from '../../src/budget/prompt-content.ts';
import { MAX_TOKENS } from '../../src/budget/tokens.ts';

const says = (content: string | { type: string }[]): PromptContent => ({
  messages: [{ role: 'user', content }],
});
const image = { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } };
const onePage = {
  type: 'document',
  source: { type: 'base64', data: Buffer.from('/Type /Page').toString('base64') },
};
const remote = { type: 'document', source: { type: 'file', file_id: 'file_1' } };
const OLD = 'claude-sonnet-4-5';

describe('words: ceil(words × 1.3)', () => {
  it.each([
    ['', 0],
    ['   \n\t ', 0],
    ['one', 2],
    ['one two', 3],
    ['  one\n\ttwo  ', 3],
    ['a b c d e f g h i j', 13],
    [Array(11).fill('w').join(' '), 15],
    [Array(37).fill('w').join(' '), 49],
    [Array(1_000).fill('w').join(' '), 1_300],
  ])('%#: %j is %i tokens', (text, tokens) => {
    expect(estimateInput(text, 'words')).toBe(tokens);
  });

  it('rounds up once for a whole prompt, not for each of its parts', () => {
    const blocks = Array(10).fill({ type: 'text', text: 'one' }) as { type: string }[];
    expect(estimateInput(says(blocks), 'words')).toBe(13 + 8);
  });
});

describe('bytes: one token per byte', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['héllo', 6],
    ['天气', 6],
    ['😀', 4],
    ['\ud800', 3],
  ])('%j is %i tokens', (text, tokens) => {
    expect(estimateInput(text, 'bytes')).toBe(tokens);
  });
});

describe('calibrated', () => {
  it('is never below words, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(estimateInput(text, 'calibrated', OLD)).toBeGreaterThanOrEqual(
          estimateInput(text, 'words'),
        );
      }),
    );
  });

  it.each([
    ['Chinese', '今天天气很好我们去公园散步吧'.repeat(10), 100],
    ['JSON', JSON.stringify({ items: Array(50).fill({ id: 1, name: 'x' }) }), 400],
    [
      'base64',
      Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 73) % 256)).toString('base64'),
      450,
    ],
    ['a list of UUIDs', '3f2504e0-4f89-11d3-9a0c-0305e82c3301\n'.repeat(20), 300],
    ['Thai', 'วันนี้อากาศดีมากเราไปเดินเล่นที่สวนกัน'.repeat(10), 200],
  ])('sees %s, which words misses', (_, text, atLeast) => {
    expect(estimateInput(text, 'words')).toBeLessThan(atLeast);
    expect(estimateInput(text, 'calibrated', OLD)).toBeGreaterThanOrEqual(atLeast);
  });

  const text = 'w '.repeat(100);
  it.each([
    ['claude-3-5-sonnet-20241022', 130],
    ['claude-haiku-4-5-20251001', 130],
    ['claude-sonnet-4-6', 130],
    ['claude-opus-4-20250514', 130],
    ['claude-opus-4-6', 130],
    ['claude-opus-4-7', 176],
    ['claude-opus-4-8', 176],
    ['claude-sonnet-5', 176],
    ['claude-opus-5', 176],
    ['claude-of-tomorrow', 176],
    ['us.anthropic.claude-opus-4-6-v1:0', 130],
    ['us.anthropic.claude-opus-4-7-v1:0', 176],
    ['anthropic/claude-opus-4.7', 176],
    ['claude-sonnet-4@20250514', 130],
    ['CLAUDE-OPUS-4-7', 176],
    ['gpt-5', 130],
    [undefined, 176],
  ])('130 tokens of text are, for %s, %i', (model, tokens) => {
    expect(estimateInput(text, 'calibrated', model)).toBe(tokens);
  });

  it('applies the model to text alone, not to images', () => {
    const one = estimateInput(says([image]), 'calibrated', 'claude-opus-4-7');
    expect(one).toBe(estimateInput(says([image]), 'calibrated', OLD));
  });
});

it.each(['words', 'bytes'] as const)('%s is the same for every model', (estimator) => {
  expect(estimateInput('a b', estimator, 'claude-opus-4-7')).toBe(estimateInput('a b', estimator));
});

describe('fixed costs', () => {
  const empty = { messages: [] };
  it.each<[string, PromptContent, number, number]>([
    ['nothing', empty, 0, 0],
    ['an empty message', says(''), 8, 16],
    ['an image', says([image]), 1_600 + 8, 4_784 + 16],
    ['a PDF page', says([onePage]), 4_600 + 8, 7_784 + 16],
    ['a remote document', says([remote]), 46_000 + 8, 778_400 + 16],
    ['a tool', { ...empty, tools: [{}] }, 2 + 16 + 346, 2 + 32 + 1_024],
    ['two tools', { ...empty, tools: [{}, {}] }, 3 + 32 + 346, 4 + 64 + 1_024],
  ])('%s', (_, prompt, typical, greatest) => {
    expect(estimateInput(prompt, 'words')).toBe(typical);
    expect(estimateInput(prompt, 'calibrated', OLD)).toBe(typical);
    expect(estimateInput(prompt, 'bytes')).toBe(greatest);
  });
});

describe('every estimate', () => {
  const prompts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.oneof(fc.string(), fc.constant([image]), fc.constant([remote])))
      .map((contents) => ({
        messages: contents.map((content) => ({ role: 'user', content })),
      })),
  );
  it('is a whole number from 0 to the greatest that a request may name', () => {
    fc.assert(
      fc.property(prompts, fc.constantFrom(...ESTIMATORS), (prompt, estimator) => {
        const tokens = estimateInput(prompt, estimator, 'claude-opus-4-7');
        expect(Number.isSafeInteger(tokens) && tokens >= 0 && tokens <= MAX_TOKENS).toBe(true);
      }),
    );
  });

  it.each([null, 5, undefined])('refuses %j as a prompt', (prompt) => {
    expect(() => estimateInput(prompt as unknown as string, 'words')).toThrow(
      expect.objectContaining({ code: 'invalid_input', field: 'prompt' }) as Error,
    );
  });
});

describe('the estimator of the configuration', () => {
  it.each([
    ['words', 'words'],
    [' Calibrated ', 'calibrated'],
    ['BYTES', 'bytes'],
  ])('%j is %s', (text, name) => {
    expect(parseEstimatorName(text, 'estimator')).toBe(name);
  });

  it.each(['', 'exact', 5, null, undefined, 'constructor'])(
    '%j is refused with the list',
    (value) => {
      expect(() => parseEstimatorName(value, 'TOKENCTL_ESTIMATOR')).toThrow(
        expect.objectContaining({
          code: 'invalid_input',
          field: 'TOKENCTL_ESTIMATOR',
          fix: 'the estimators are: words, calibrated, bytes',
        }) as Error,
      );
    },
  );
});

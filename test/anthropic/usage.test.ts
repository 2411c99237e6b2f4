import { describe, expect, it } from 'vitest';
import { outcomeOfAnswer } from '../../src/anthropic/outcome.ts';
import { answerOf, StreamMeter, type Answer } from '../../src/anthropic/usage.ts';
import { estimateInput } from '../../src/budget/estimate.ts';

const MODEL = 'claude-sonnet-4-5';
const usage = (input: number, output: number, creation = 0, read = 0) => ({
  inputTokens: input,
  outputTokens: output,
  cacheCreationInputTokens: creation,
  cacheReadInputTokens: read,
});
const reported = { input_tokens: 5, output_tokens: 7 };

describe('a whole message', () => {
  it.each<[string, object, object | null]>([
    ['input and output', reported, usage(5, 7)],
    [
      'the cache',
      { ...reported, cache_creation_input_tokens: 11, cache_read_input_tokens: 13 },
      usage(5, 7, 11, 13),
    ],
    ['null for the cache', { ...reported, cache_read_input_tokens: null }, usage(5, 7)],
    ['no output', { input_tokens: 5 }, null],
    ['no input', { output_tokens: 5 }, null],
    ['a negative count', { ...reported, output_tokens: -1 }, null],
    ['a fraction', { ...reported, output_tokens: 1.5 }, null],
    ['text', { ...reported, input_tokens: '5' }, null],
    ['more than any model has', { ...reported, cache_read_input_tokens: 1e15 }, null],
    [
      'iterations that it does not include',
      {
        ...reported,
        iterations: [
          { type: 'compaction', input_tokens: 100, output_tokens: 20 },
          { type: 'message', ...reported },
        ],
      },
      usage(105, 27),
    ],
    [
      'iterations that it includes',
      { ...reported, iterations: [{ input_tokens: 4 }, null] },
      usage(5, 7),
    ],
  ])('that reports %s', (_, given, expected) => {
    expect(answerOf({ usage: given, model: 'm', stop_reason: 'end_turn' })).toEqual({
      usage: expected,
      model: 'm',
      stopReason: 'end_turn',
      error: null,
    });
  });

  it.each([null, 'text', [], {}, { usage: 5 }])('that is %j says nothing', (body) => {
    expect(answerOf(body)).toMatchObject({ usage: null, model: null, stopReason: null });
  });
});

const start = (given: object = { input_tokens: 5, output_tokens: 1 }) => ({
  type: 'message_start',
  message: { model: MODEL, stop_reason: null, usage: given },
});
const delta = (given: object) => ({ type: 'content_block_delta', index: 0, delta: given });
const end = (given: object, stop: string | null = 'end_turn') => ({
  type: 'message_delta',
  delta: { stop_reason: stop },
  usage: given,
});
const stop = { type: 'message_stop' };

function streamed(events: unknown[], mostInferred = 1_000): Answer {
  const meter = new StreamMeter();
  for (const event of events) meter.take(event);
  return meter.answer(mostInferred);
}
const words = 'one two three four five six seven eight nine ten '.repeat(20);
const inferred = estimateInput(words, 'calibrated', MODEL);

describe('a stream', () => {
  it('reports cumulatively: later counts replace the earlier, and add nothing', () => {
    const events = [
      start({ input_tokens: 5, output_tokens: 1, cache_read_input_tokens: 9 }),
      { type: 'ping' },
      delta({ type: 'text_delta', text: words }),
      end({ output_tokens: 20, input_tokens: 5, cache_read_input_tokens: 9 }, null),
      end({ output_tokens: 42, input_tokens: null }),
      stop,
    ];
    expect(streamed(events)).toEqual({
      usage: usage(5, 42, 0, 9),
      model: MODEL,
      stopReason: 'end_turn',
      error: null,
    });
  });

  it('is charged as reported when it was cut after its stop reason', () => {
    const events = [start(), delta({ text: words }), end({ output_tokens: 42 })];
    expect(streamed(events)).toMatchObject({ usage: usage(5, 42), error: null });
  });

  it('that was cut is charged its input, and the output that was delivered', () => {
    for (const field of ['text', 'thinking', 'partial_json', 'content']) {
      const cut = streamed([start(), delta({ [field]: words })]);
      expect(cut).toMatchObject({ usage: usage(5, inferred), error: 'the stream was cut' });
    }
  });

  it('that was cut in the middle of words counts them once', () => {
    const pieces = words.match(/.{1,7}/gs) ?? [];
    const cut = streamed([start(), ...pieces.map((text) => delta({ text }))]);
    expect(cut.usage).toEqual(usage(5, inferred));
  });

  it('that was cut infers no more than was reserved, but takes all that was reported', () => {
    expect(streamed([start(), delta({ text: words })], 10).usage).toEqual(usage(5, 10));
    const more = streamed([start(), end({ output_tokens: 500 }, null)], 10);
    expect(more.usage).toEqual(usage(5, 500));
  });

  it.each([{}, { output_tokens: null }, { input_tokens: 10 }])(
    'that ends with the usage %j has not reported its output',
    (last) => {
      const whole = streamed([start(), delta({ text: words }), end(last), stop]);
      expect(whole.usage?.outputTokens).toBe(inferred);
    },
  );

  it('whose later counts are lower keeps the greater', () => {
    const first = start({ input_tokens: 5_000, output_tokens: 1, cache_read_input_tokens: 700 });
    const last = end({ output_tokens: 9, input_tokens: 0, cache_read_input_tokens: 0 });
    expect(streamed([first, last, stop]).usage).toEqual(usage(5_000, 9, 0, 700));
  });

  it('that is refused before it began delivered nothing', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const refused = streamed([error]);
    expect(refused).toMatchObject({ usage: null, refused: true });
    expect(outcomeOfAnswer(refused)).toEqual({
      kind: 'free',
      error: 'overloaded_error: Overloaded',
    });
    expect(streamed([start(), error]).refused).toBeUndefined();
  });

  it('that was cut at once is charged what it reported', () => {
    expect(streamed([start()]).usage).toEqual(usage(5, 1));
  });

  it('counts thinking that is not shown by its estimate', () => {
    const hidden = delta({ type: 'thinking_delta', thinking: '', estimated_tokens: 50 });
    expect(streamed([start(), hidden, hidden]).usage).toEqual(usage(5, 100));
  });

  it('that ends without a readable output is charged as if it was cut', () => {
    for (const last of [[], [end({ output_tokens: 'many' })]]) {
      const answer = streamed([start(), delta({ text: words }), ...last, stop]);
      expect(answer).toMatchObject({ usage: usage(5, inferred), error: null });
    }
  });

  it('that ends with an error says so', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(streamed([start(), error])).toMatchObject({
      usage: usage(5, 1),
      error: 'overloaded_error: Overloaded',
    });
  });

  it.each<[string, unknown[]]>([
    ['never began', []],
    ['began without usage', [{ type: 'message_start', message: {} }, delta({ text: words })]],
    ['began with nonsense', [start({ input_tokens: -1, output_tokens: 0 }), stop]],
    ['is no events', [null, 'text', { type: 5 }]],
  ])('that %s is unknown', (_, events) => {
    expect(streamed(events).usage).toBeNull();
  });

  it('keeps long text as its estimate', () => {
    const million = words.repeat(1_100);
    const expected = estimateInput(million, 'calibrated', MODEL);
    const answer = streamed([start(), delta({ text: million }), delta({ text: 'end' })], 1e9);
    expect(answer.usage?.outputTokens).toBeGreaterThanOrEqual(expected);
    expect(answer.usage?.outputTokens).toBeLessThanOrEqual(expected + 3);
  });
});

import { describe, expect, it } from 'vitest';
import { batchResultsMeter, messageMeter, type Meter } from '../../src/anthropic/meter.ts';

const message = {
  type: 'message',
  model: 'm',
  stop_reason: 'end_turn',
  usage: { input_tokens: 5, output_tokens: 7 },
};
const usage = {
  inputTokens: 5,
  outputTokens: 7,
  cacheCreationInputTokens: 0,
  cacheReadInputTokens: 0,
};

/** Gives it the text, a few bytes at a time. */
function feed<M extends { take(bytes: Uint8Array): void }>(meter: M, text: string): M {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += 7) meter.take(bytes.subarray(at, at + 7));
  return meter;
}

describe('an answer that passes', () => {
  it('as JSON is read when it is whole', () => {
    const json = JSON.stringify({ ...message, content: 'κόσμε' });
    for (const type of ['application/json', 'application/json; charset=utf-8', null]) {
      expect(feed(messageMeter(type), json).answer(true, 100)).toEqual({
        usage,
        model: 'm',
        stopReason: 'end_turn',
        error: null,
      });
    }
    const cut = feed(messageMeter('application/json'), json).answer(false, 100);
    expect(cut).toMatchObject({ usage: null, error: 'the answer was cut' });
  });

  it.each(['<html>Bad gateway</html>', '', '{"type":"message"}', '[1]'])(
    'as %j says nothing about what it used',
    (body) => {
      const answer = feed(messageMeter('text/html'), body).answer(true, 100);
      expect(answer).toMatchObject({ usage: null, error: 'the answer reports no usage' });
    },
  );

  it('as an event stream is read event by event, whole or cut', () => {
    const start = `data: ${JSON.stringify({ type: 'message_start', message })}\n\n`;
    const end = `data: ${JSON.stringify({ type: 'message_delta', delta: { stop_reason: 'x' }, usage: { output_tokens: 9 } })}\n\n`;
    const noise = 'data: {not json\n\n';
    const meter = feed(messageMeter('Text/Event-Stream; charset=utf-8'), start + noise + end);
    expect(meter.answer(true, 100).usage).toEqual({ ...usage, outputTokens: 9 });
    expect(meter.answer(false, 100).usage).toEqual({ ...usage, outputTokens: 9 });
  });

  it('that is longer than the bound is not read', () => {
    const spaces = new Uint8Array(16_777_216).fill(0x20);
    const json = new TextEncoder().encode(JSON.stringify(message));
    const padded = (times: number): Meter => {
      const padding = messageMeter('application/json');
      for (let count = 0; count < times; count += 1) padding.take(spaces);
      padding.take(json);
      return padding;
    };
    expect(padded(3).answer(true, 100).usage).toEqual(usage);
    expect(padded(4).answer(true, 100).usage).toBeNull();
  });
});

describe("a batch's results", () => {
  const succeeded = JSON.stringify({ custom_id: 'a', result: { type: 'succeeded', message } });
  const failed = ['errored', 'canceled', 'expired'].map((type) =>
    JSON.stringify({ custom_id: type, result: { type } }),
  );

  it('add up what succeeded; what failed, was cancelled or expired is not charged', () => {
    const lines = [succeeded, ...failed, succeeded];
    for (const text of [lines.join('\n'), `${lines.join('\r\n')}\n`]) {
      const { usage: sum, model } = feed(batchResultsMeter(), text).answer(true);
      expect([sum, model]).toEqual([{ ...usage, inputTokens: 10, outputTokens: 14 }, 'm']);
    }
    const { usage: none } = feed(batchResultsMeter(), failed.join('\n')).answer(true);
    expect(none).toEqual({ ...usage, inputTokens: 0, outputTokens: 0 });
  });

  it.each<[string, string, boolean]>([
    ['are cut', succeeded, false],
    [
      'have an item without usage',
      `${succeeded}\n{"result":{"type":"succeeded"}}\n${succeeded}`,
      true,
    ],
    ['are no JSON', `<html>\n${succeeded}`, true],
  ])('that %s say nothing', (_, text, whole) => {
    expect(feed(batchResultsMeter(), text).answer(whole).usage).toBeNull();
  });

  it('say of how many items they are', () => {
    expect(
      feed(batchResultsMeter(), [succeeded, ...failed, ''].join('\n')).answer(true).items,
    ).toBe(4);
    expect(batchResultsMeter().answer(true).items).toBe(0);
  });

  it('with a line longer than the bound say nothing, and are not read again and again', () => {
    const meter = batchResultsMeter();
    const chunk = new TextEncoder().encode('x'.repeat(65_536));
    for (let count = 0; count < 200; count += 1) meter.take(chunk);
    feed(meter, `\n${succeeded}\n`);
    expect(meter.answer(true).usage).toBeNull();
  });
});

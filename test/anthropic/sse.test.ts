import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseReader } from '../../src/anthropic/sse.ts';

function read(...chunks: (string | Uint8Array)[]): string[] {
  const events: string[] = [];
  const reader = new SseReader((data) => events.push(data));
  for (const chunk of chunks) {
    reader.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
  }
  return events;
}

describe('server-sent events', () => {
  it.each<[string, string, string[]]>([
    ['one event', 'event: x\ndata: {"a":1}\n\n', ['{"a":1}']],
    ['several', 'data: 1\n\ndata: 2\n\n', ['1', '2']],
    ['no space after the colon', 'data:1\n\n', ['1']],
    ['data of several lines', 'data: 1\ndata: 2\n\n', ['1\n2']],
    ['comments and other fields', ': hi\nid: 7\nretry: 1\ndata: 1\n\n', ['1']],
    ['empty lines between events', '\n\n\ndata: 1\n\n\n\n', ['1']],
    ['CRLF', 'data: 1\r\n\r\ndata: 2\r\n\r\n', ['1', '2']],
    ['CR alone', 'data: 1\r\rdata: 2\r\r', ['1', '2']],
    ['an event that has not ended', 'data: 1\n\ndata: 2\n', ['1']],
    ['an event without data', 'event: ping\n\n', []],
  ])('%s', (_, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it('are the same wherever their bytes are cut', () => {
    const line = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .map((text) => text.replaceAll(/[\r\n]/g, ' '));
    const end = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6 }),
        end,
        fc.infiniteStream(fc.nat(9)),
        (lines, eol, cuts) => {
          const bytes = new TextEncoder().encode(
            lines.map((text) => `event: e${eol}data: ${text}${eol}${eol}`).join(''),
          );
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const length of cuts) {
            if (at >= bytes.length) break;
            chunks.push(bytes.subarray(at, at + length));
            at += length;
          }
          expect(read(...chunks)).toEqual(lines);
        },
      ),
    );
  });

  it('longer than the bound are left out, and the next one is read', () => {
    const long = `data: ${'x'.repeat(1_048_576)}\n`.repeat(9);
    expect(read(long, '\n', 'data: 1\n\n')).toEqual(['1']);
    const endless = Array.from({ length: 9 }, () => 'y'.repeat(1_048_576));
    expect(read('data: ', ...endless, '\n\n', 'data: 1\n\n')).toEqual(['1']);
  });
});

import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parseTime } from '../../src/budget/written-time.ts';
import { parseColumns } from '../../src/cli/import/columns.ts';
import { readUsageFile } from '../../src/cli/import/usage-file.ts';
import type { ImportRow } from '../../src/ledger/import.ts';

function read(text: string | Buffer, format: 'csv' | 'jsonl', columns = ''): Promise<ImportRow[]> {
  return readUsageFile(Readable.from([typeof text === 'string' ? Buffer.from(text) : text]), {
    file: 'test',
    format,
    columns: columns === '' ? {} : parseColumns(columns),
    aiType: 'x',
    nowMs: Date.parse('2026-11-24T00:00:00Z'),
  });
}

describe('times in usage logs', () => {
  it.each([
    ['2023-11-16 18:17:03.9799600', '2023-11-16T18:17:03.979Z'],
    ['2023-11-16 18:17:03.9999999', '2023-11-16T18:17:03.999Z'],
    ['2023-11-16 18:17:03', '2023-11-16T18:17:03.000Z'],
    ['2023-11-16 18:17', '2023-11-16T18:17:00.000Z'],
    ['2023-11-16T18:17:03Z', '2023-11-16T18:17:03.000Z'],
    ['2023-11-16T18:17:03.5+02:00', '2023-11-16T16:17:03.500Z'],
    ['2023-11-16 18:17:03 -0530', '2023-11-16T23:47:03.000Z'],
    ['2023-11-16T18:17:03+02', '2023-11-16T16:17:03.000Z'],
    ['2024-02-29 00:00:00', '2024-02-29T00:00:00.000Z'],
    ['1700158623', '2023-11-16T18:17:03.000Z'],
    ['1700158623.9799', '2023-11-16T18:17:03.979Z'],
    ['1700158623979', '2023-11-16T18:17:03.979Z'],
    ['1700158623979.9', '2023-11-16T18:17:03.979Z'],
  ])('%s is %s', (text, expected) => {
    const atMs = parseTime(text);
    expect(atMs === null ? null : new Date(atMs).toISOString()).toBe(expected);
  });

  it.each([
    '',
    'yesterday',
    '2023-02-29 00:00:00',
    '2023-13-01 00:00:00',
    '2023-11-16 24:00:00',
    '2023-11-16 18:60:00',
    '2023-11-16',
    '16.11.2023 18:17',
    '-1',
    '2023-11-16T18:17:03+99:00',
  ])('%j is none', (text) => {
    expect(parseTime(text)).toBeNull();
  });
});

describe('a usage log', () => {
  const row: ImportRow = {
    aiType: 'x',
    atMs: Date.parse('2026-01-02T03:04:05Z'),
    inputTokens: 10,
    outputTokens: 2,
    model: null,
    requestId: null,
    success: true,
  };

  it('may have a mark at its start, CRLF, quotes and empty lines', async () => {
    const csv =
      '\uFEFFtimestamp,input,output,model\r\n\r\n"2026-01-02 03:04:05","10",2,"a ""b"",c"\r\n';
    expect(await read(csv, 'csv')).toEqual([{ ...row, model: 'a "b",c' }]);
  });

  it('names its columns as it likes', async () => {
    const csv = 'WHEN,A,B,WHO,OK,ID\n2026-01-02 03:04:05,10,2,Guardian,false,r1\n';
    const columns = 'timestamp=WHEN,input=A,output=B,ai_type=WHO,success=OK,requestId=ID';
    expect(await read(csv, 'csv', columns)).toEqual([
      { ...row, aiType: 'guardian', success: false, requestId: 'r1' },
    ]);
  });

  it('may be JSON lines, with the counts inside an object', async () => {
    const jsonl = [
      '{"timestamp":"2026-01-02T03:04:05Z","usage":{"input_tokens":10,"output_tokens":2}}',
      '',
      '{"timestamp":1767323045,"input":10,"output":2,"model":"m","success":true}',
    ].join('\n');
    const columns = 'input=usage.input_tokens,output=usage.output_tokens';
    expect(await read(jsonl.split('\n')[0] ?? '', 'jsonl', columns)).toEqual([row]);
    expect(await read(jsonl.split('\n').slice(1).join('\r\n'), 'jsonl')).toEqual([
      { ...row, model: 'm' },
    ]);
  });

  it('is refused by line and column where a database could not keep its text', async () => {
    const csv =
      'timestamp,input,output,model\n2026-01-02 03:04:05,10,2,m\n2026-01-02 03:04:05,10,2,a\0b\n';
    await expect(read(csv, 'csv')).rejects.toThrow(
      'test: 1 line is wrong, nothing was imported\n  line 3: model: has a NUL character',
    );
    const jsonl =
      '{"timestamp":1767323045,"input":10,"output":2,"request_id":"\\ud800","model":"a\\u0000b"}';
    await expect(read(jsonl, 'jsonl')).rejects.toThrow(
      /line 1: model: has a NUL .*\n {2}line 1: request_id: has half of a surrogate pair/,
    );
  });

  it('is refused where it is not read to its end', async () => {
    const failing = new Readable({
      read() {
        this.destroy(new Error('disk'));
      },
    });
    const options = { file: 'f', columns: {}, aiType: 'x', nowMs: 0 };
    await expect(readUsageFile(failing, { ...options, format: 'csv' })).rejects.toThrow('disk');
  });
});

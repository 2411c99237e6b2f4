import { describe, expect, it } from 'vitest';
import { promptParts, type PromptContent } from '../../src/budget/prompt-content.ts';

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const pdf = (body: string): object => ({
  type: 'document',
  source: { type: 'base64', media_type: 'application/pdf', data: base64(body) },
});
const parts = (...blocks: object[]): ReturnType<typeof promptParts> =>
  promptParts({ messages: [{ role: 'user', content: blocks as { type: string }[] }] });
const texts = (...blocks: object[]): string[] => [...parts(...blocks).texts].sort();

describe('what counts as text', () => {
  it.each<[string, object, string[]]>([
    ['a text block', { type: 'text', text: 'hello' }, ['hello']],
    [
      'thinking, without its signature',
      { type: 'thinking', thinking: 'hm', signature: 'x' },
      ['hm'],
    ],
    ['a tool call', { type: 'tool_use', id: '1', name: 'f', input: { a: 1 } }, ['f', '{"a":1}']],
    ['a tool result in words', { type: 'tool_result', tool_use_id: '1', content: 'ok' }, ['ok']],
    ['a tool result without content', { type: 'tool_result', tool_use_id: '1' }, []],
    [
      'a tool result of blocks',
      { type: 'tool_result', content: [{ type: 'text', text: 'deep' }] },
      ['deep'],
    ],
    ['a tool call without input', { type: 'tool_use', name: 'f' }, ['f', 'null']],
    [
      'a text document with title and context',
      { type: 'document', title: 'T', context: 'C', source: { type: 'text', data: 'D' } },
      ['C', 'D', 'T'],
    ],
    [
      'a document of content blocks',
      {
        type: 'document',
        source: { type: 'content', content: [{ type: 'text', text: 'part' }] },
      },
      ['part'],
    ],
    ['a block of an unknown type', { type: 'new', a: 'b' }, ['{"type":"new","a":"b"}']],
    [
      'a document from an unknown source',
      { type: 'document', source: { type: 'x' } },
      ['{"type":"x"}'],
    ],
  ])('%s', (_, block, expected) => {
    expect(texts(block)).toEqual(expected);
  });

  it('the system prompt, as a string or as blocks', () => {
    const messages = [{ role: 'user', content: 'hi' }];
    expect(promptParts({ system: 'be kind', messages }).texts).toContain('be kind');
    const system = [{ type: 'text', text: 'be brief' }];
    expect(promptParts({ system, messages }).texts).toContain('be brief');
  });

  it('what else the model reads, as its JSON', () => {
    const messages = [{ role: 'user', content: 'hi' }];
    const { texts, tools } = promptParts({ messages, extras: [{ type: 'json_schema' }, 'x'] });
    expect([[...texts].sort(), tools]).toEqual([['"x"', 'hi', '{"type":"json_schema"}'], 0]);
  });

  it('tool definitions, as their JSON', () => {
    const tool = { name: 'get_weather', input_schema: { type: 'object' } };
    const found = promptParts({ messages: [], tools: [tool] });
    expect(found.texts).toEqual([JSON.stringify(tool)]);
    expect(found.tools).toBe(1);
  });
});

describe('images and documents', () => {
  it.each([
    ['base64', { type: 'base64', media_type: 'image/png', data: 'AAAA' }],
    ['a URL', { type: 'url', url: 'https://example.org/a.png' }],
    ['a file', { type: 'file', file_id: 'file_1' }],
  ])('an image by %s is one image, and its data no text', (_, source) => {
    expect(parts({ type: 'image', source })).toMatchObject({ images: 1, texts: [] });
  });

  it('an image inside a tool result counts', () => {
    expect(parts({ type: 'tool_result', content: [{ type: 'image' }] }).images).toBe(1);
  });

  it.each([
    ['one page', '1 0 obj << /Type /Page >> endobj', 1],
    ['three pages however they are spaced', '/Type/Page /Type /Page\n/Type\r\n/Page>>', 3],
    ['pages, but not the tree that lists them', '<< /Type /Pages >> << /Type /Page >>', 1],
    ['no page labels', `/Type /PageLabel ${'x'.repeat(100)}`, 1],
    ['hidden pages: 50,000 bytes are one', 'x'.repeat(50_000), 1],
    ['hidden pages: 50,001 bytes are two', 'x'.repeat(50_001), 2],
    ['an empty file as one page', '', 1],
  ])('a PDF: %s', (_, body, pages) => {
    expect(parts(pdf(body))).toMatchObject({ pdfPages: pages, texts: [] });
  });

  it.each([
    ['a URL', { type: 'url', url: 'https://example.org/a.pdf' }],
    ['a file', { type: 'file', file_id: 'file_1' }],
  ])('a document by %s is of unknown size', (_, source) => {
    expect(parts({ type: 'document', source })).toMatchObject({ remoteDocuments: 1, pdfPages: 0 });
  });
});

describe('prompts that are no prompts', () => {
  const circular: Record<string, unknown> = { type: 'new' };
  circular['self'] = circular;
  const endless: unknown[] = [];
  endless.push(endless);

  it.each<[string, unknown, string]>([
    ['no messages', {}, 'prompt.messages: must be a list'],
    ['messages that are no list', { messages: 'hi' }, 'prompt.messages: must be a list'],
    ['tools that are no list', { messages: [], tools: {} }, 'prompt.tools: must be a list'],
    [
      'a block that contains itself',
      { messages: [{ role: 'user', content: [circular] }] },
      "prompt: has a part that can't be written as JSON",
    ],
    [
      'content that contains itself',
      { messages: [{ role: 'user', content: endless }] },
      'prompt: has over 1000000 parts',
    ],
  ])('%s is refused', (_, prompt, message) => {
    expect(() => promptParts(prompt as PromptContent)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message }) as Error,
    );
  });

  it('malformed messages and blocks are counted as text, not dropped', () => {
    const messages = ['bare', { role: 'user', content: [7, null, { type: 'text', text: 8 }] }];
    const found = promptParts({ messages } as unknown as PromptContent);
    expect([...found.texts].sort()).toEqual(['7', '8', 'bare', 'null']);
  });

  it('tool results nested 100,000 deep are counted, without exhausting the stack', () => {
    let block: object = { type: 'text', text: 'bottom' };
    for (let depth = 0; depth < 100_000; depth += 1)
      block = { type: 'tool_result', content: [block] };
    expect(texts(block)).toEqual(['bottom']);
  });
});

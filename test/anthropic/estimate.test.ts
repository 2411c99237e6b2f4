import { describe, expect, it } from 'vitest';
import { batchRequest, messageRequest, parseBody } from '../../src/anthropic/estimate.ts';
import { promptParts } from '../../src/budget/prompt-content.ts';

const hello = { model: 'claude-x', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };

const texts = (body: object): string[] =>
  [...promptParts(messageRequest({ ...hello, ...body }).estimate.prompt).texts].sort();

describe('a message', () => {
  it('counts what the model reads, and max_tokens', () => {
    const { model, estimate } = messageRequest(hello);
    expect(model).toBe('claude-x');
    expect(estimate.maxTokens).toBe(100);
    expect(promptParts(estimate.prompt)).toMatchObject({ texts: ['hi'], messages: 1, tools: 0 });
  });

  it('counts system, tools, and what is not known, but nothing that only steers the call', () => {
    const body = {
      system: 'be kind',
      tools: [{ name: 'f' }],
      stream: true,
      temperature: 1,
      metadata: { user_id: 'u' },
      output_config: { format: { type: 'json_schema' } },
      something_new: ['x'],
      output_format: null,
    };
    expect(texts(body)).toEqual(
      ['hi', 'be kind', '{"name":"f"}', '{"format":{"type":"json_schema"}}', '["x"]'].sort(),
    );
  });

  it('takes null for what is absent', () => {
    expect(texts({ system: null, tools: null })).toEqual(['hi']);
    expect(messageRequest({ ...hello, model: null })).not.toHaveProperty('model');
  });

  it('takes the greatest max_tokens of the models that may answer', () => {
    const of = (fallbacks: unknown): number =>
      messageRequest({ ...hello, fallbacks }).estimate.maxTokens;
    expect(of([{ model: 'a', max_tokens: 300 }, { model: 'b' }])).toBe(300);
    expect(of([{ model: 'a', max_tokens: 50 }])).toBe(100);
    expect(of('default')).toBe(100);
  });

  it.each([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: null }],
    ['max_tokens', { max_tokens: '100' }],
    ['max_tokens', { max_tokens: -1 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: 1e13 }],
    ['fallbacks[0].max_tokens', { fallbacks: [{ max_tokens: 'many' }] }],
    ['messages', { messages: undefined }],
    ['messages', { messages: 'hi' }],
    ['tools', { tools: {} }],
  ])('without a usable %s is refused by name (%j)', (field, wrong) => {
    expect(() => messageRequest({ ...hello, ...wrong })).toThrow(
      expect.objectContaining({ code: 'invalid_input', field }) as Error,
    );
  });

  it.each([null, [], 'text', 5])('that is %j is refused', (body) => {
    expect(() => messageRequest(body)).toThrow('body: must be a JSON object');
  });
});

describe('a batch', () => {
  it('has an estimate of each item', () => {
    const requests = [
      { custom_id: 'a', params: hello },
      { custom_id: 'b', params: { ...hello, max_tokens: 7 } },
    ];
    const { model, estimate } = batchRequest({ requests });
    expect(model).toBe('claude-x');
    expect(estimate.items.map(({ maxTokens }) => maxTokens)).toEqual([100, 7]);
  });

  it.each<[string, unknown]>([
    ['requests', {}],
    ['requests', { requests: [] }],
    ['requests[0]', { requests: [null] }],
    ['requests[0].params', { requests: [{ custom_id: 'a' }] }],
    [
      'requests[1].params.max_tokens',
      { requests: [{ params: hello }, { params: { messages: [] } }] },
    ],
  ])('without a usable %s is refused by name', (field, body) => {
    expect(() => batchRequest(body)).toThrow(
      expect.objectContaining({ code: 'invalid_input', field }) as Error,
    );
  });
});

describe('a body', () => {
  it('is read as JSON, or refused', () => {
    expect(parseBody('{"a":1}')).toEqual({ a: 1 });
    expect(() => parseBody('a=1')).toThrow('body: is no JSON');
  });
});

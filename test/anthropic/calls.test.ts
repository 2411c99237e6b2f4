import { describe, expect, it } from 'vitest';
import { callOf, mayCostTokens } from '../../src/anthropic/calls.ts';

describe('what a call is', () => {
  it.each([
    ['POST', '/v1/messages', 'message'],
    ['post', '/v1/messages', 'message'],
    ['POST', '/imperium/v1/messages', 'message'],
    ['POST', '/v1/messages/batches', 'batch'],
    ['POST', '/v1/messages/count_tokens', 'free'],
    ['GET', '/v1/messages/batches', 'free'],
    ['GET', '/v1/messages/batches/msgbatch_1', 'free'],
    ['POST', '/v1/messages/batches/msgbatch_1/cancel', 'free'],
    ['DELETE', '/v1/messages/batches/msgbatch_1', 'free'],
    ['GET', '/v1/models', 'free'],
    ['GET', '/v1/models/claude-sonnet-4-5', 'free'],
    ['GET', '/v1/messages', 'unknown'],
    ['PUT', '/v1/messages', 'unknown'],
    ['POST', '/v1/messages/', 'unknown'],
    ['POST', '/v1//messages', 'unknown'],
    ['POST', '/v1/%6dessages', 'unknown'],
    ['POST', '/v1/messages/batches/a/b/cancel', 'unknown'],
    ['POST', '/v1/sessions', 'unknown'],
    ['POST', '', 'unknown'],
  ])('%s %s is %s', (method, path, kind) => {
    expect(callOf(method, path)).toEqual({ kind });
  });

  it("knows whose results are read, also under a proxy's own path", () => {
    const results = { kind: 'batch_results', batchId: 'msgbatch_1' };
    expect(callOf('GET', '/v1/messages/batches/msgbatch_1/results')).toEqual(results);
    expect(callOf('GET', '/proxy/v1/messages/batches/msgbatch_1/results')).toEqual(results);
  });
});

describe('an unknown call', () => {
  it.each([
    ['POST', '/v1/messages/', true],
    ['POST', '/v1//messages', true],
    ['POST', '/v1/%6dessages', true],
    ['POST', '/v1/Messages', true],
    ['POST', '/v1/messages/newer', true],
    ['post', '/proxy/v1/complete', true],
    ['GET', '/v1/messages/newer', false],
    ['POST', '/v1/files', false],
    ['POST', '/v1/messages_of_another_kind', false],
    ['POST', '/v1/%', false],
  ])('%s %s may cost tokens: %s', (method, path, may) => {
    expect(mayCostTokens(method, path)).toBe(may);
  });
});

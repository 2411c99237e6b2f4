import { expect, test } from 'vitest';
import { routeOf } from '../../src/server/gateway/route.ts';

test.each([
  ['POST', '/v1/messages', 'message', null, '/v1/messages', ''],
  ['POST', '/v1/messages?beta=true', 'message', null, '/v1/messages', '?beta=true'],
  ['POST', '/imperium/v1/messages', 'message', 'imperium', '/v1/messages', ''],
  ['GET', '/imperium/v1/models?limit=3', 'free', 'imperium', '/v1/models', '?limit=3'],
  ['POST', '/v1/messages/count_tokens', 'free', null, '/v1/messages/count_tokens', ''],
  ['POST', '/v1/messages/batches', 'batch', null, '/v1/messages/batches', ''],
  ['POST', '/v1/files', 'unknown', null, '/v1/files', ''],
  ['DELETE', '/v1/messages', 'unknown', null, '/v1/messages', ''],
])('%s %s is %s', (method, target, kind, prefix, path, query) => {
  expect(routeOf(method, target)).toMatchObject({ prefix, path, query, call: { kind } });
});

test.each([
  '/',
  '/v1',
  '/v1/',
  '/messages',
  '/a/b/v1/messages',
  'http://127.0.0.1:4010/v1/messages',
  '*',
  // What one server takes for a free call, another may take for a message.
  '/v1/messages#/v1/messages/count_tokens',
  '/v1/messages/../messages/count_tokens',
  '/v1/messages//count_tokens',
  '/v1/messages/./count_tokens',
  '/v1/messages/v1/messages/count_tokens',
  '/v1/messages%3F/v1/messages/count_tokens',
  '/v1/messages;/count_tokens',
  '/v1/messages/count_tokens/',
  '/v1/messages\\count_tokens',
  '//v1/messages',
  '/%69mperium/v1/messages',
])('POST %s is refused', (target) => {
  const route = routeOf('POST', target);
  expect(route?.call.kind ?? 'unknown').toBe('unknown');
});

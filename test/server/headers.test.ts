import { expect, test } from 'vitest';
import { headersForClient, headersForUpstream } from '../../src/server/gateway/headers.ts';

const OF_THE_CONNECTION = [
  ...['Connection', 'keep-alive, X-Once', 'Keep-Alive', 'timeout=5', 'X-Once', '1'],
  ...['TE', 'trailers', 'Trailer', 'x', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c'],
  ...['Proxy-Authorization', 'Basic eA==', 'Proxy-Connection', 'keep-alive'],
];
const KEPT = ['Anthropic-Version', '2023-06-01', 'X-Twice', 'a', 'x-twice', 'b'];

test('what belongs to the connection goes no further, either way', () => {
  const headers = [...OF_THE_CONNECTION, ...KEPT];
  const plain = { key: null, decoded: false };
  expect(headersForUpstream(headers, plain)).toEqual(KEPT);
  expect(headersForClient(headers)).toEqual(KEPT);
});

test("the connection's own length, host and expectation are set anew, and tokenctl's stay here", () => {
  const headers = ['Host', 'a', 'Content-Length', '3', 'Expect', '100-continue'];
  const own = ['X-Tokenctl-Ai-Type', 'imperium'];
  const plain = { key: null, decoded: false };
  expect(headersForUpstream([...headers, ...own, ...KEPT], plain)).toEqual(KEPT);
  // An answer's length is that of its body, which stays the same.
  expect(headersForClient(['Content-Length', '3'])).toEqual(['Content-Length', '3']);
});

test('a key replaces all that the client identified itself with', () => {
  const client = ['X-Api-Key', 'tkc_1', 'Authorization', 'Bearer tkc_2', 'x-api-key', 'tkc_3'];
  expect(headersForUpstream([...client, ...KEPT], { key: 'sk-1', decoded: false })).toEqual([
    ...KEPT,
    ...['x-api-key', 'sk-1'],
  ]);
  expect(headersForUpstream(client, { key: null, decoded: false })).toEqual(client);
});

test.each([
  ['gzip, deflate, br', 'gzip, deflate, br'],
  ['gzip, deflate, br, zstd', 'gzip, deflate, br'],
  ['zstd', 'identity'],
  ['*', 'identity'],
  ['GZIP;q=0.5', 'GZIP;q=0.5'],
])('of the encodings "%s" upstream may use "%s"', (accepted, passed) => {
  const headers = ['Accept-Encoding', accepted];
  const decoded = { key: null, decoded: true };
  expect(headersForUpstream(headers, { key: null, decoded: false })[1]).toBe(passed);
  expect(headersForUpstream(headers, decoded)[1]).toBe('identity');
});

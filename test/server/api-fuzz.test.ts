import { expect, it } from 'vitest';
import { fuzz } from '../fuzz/run.ts';
import { fuzzTokens } from '../fuzz/tokens.ts';
import { openApi } from '../support/api.ts';

it('300 requests of every kind: none fails by a defect, none hangs', async () => {
  const { api, app } = await openApi('sqlite');
  const tokens = await fuzzTokens(app);
  const seed = Number(process.env['TOKENCTL_FUZZ_SEED'] ?? '7');
  const { wrongs, statuses } = await fuzz({ url: api.url, ...tokens, requests: 300, seed });
  expect(wrongs).toEqual([]);
  // It saw the inside: what is admitted or read, what is refused for its content, and who may not.
  for (const status of ['200', '400', '401', '405']) expect(statuses[status]).toBeGreaterThan(0);
}, 60_000);

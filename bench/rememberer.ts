import { openApp } from '../src/app.ts';
import { parseDatabase } from '../src/config/database.ts';
import { Guard } from '../src/guard/guard.ts';
import { systemRuntime } from '../src/platform/runtime.ts';

/** A library process that makes many reservations, 64 at a time, and tells how large it then is. */
const [path = '', count = '0'] = process.argv.slice(2);
const app = await openApp({
  target: parseDatabase(path, 'bench', 'flag', '/'),
  runtime: systemRuntime,
});
const guard = new Guard(app.ledger, systemRuntime, {
  estimator: 'words',
  cacheReadPercent: 100,
  requestType: 'sdk',
});
let left = Number(count);
await Promise.all(
  Array.from({ length: 64 }, async () => {
    while (left > 0) {
      left -= 1;
      const verdict = await guard.reserve({ aiType: 'bench', estimate: { input: 80, output: 20 } });
      await guard.settle(verdict.reservation?.id ?? '', { inputTokens: 60, outputTokens: 12 });
    }
  }),
);
globalThis.gc?.();
globalThis.gc?.();
const { rss, heapUsed } = process.memoryUsage();
process.send?.({ rss, heapUsed }, () => {
  process.disconnect();
});
await app.close();

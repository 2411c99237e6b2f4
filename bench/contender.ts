import { once } from 'node:events';
import { openApp } from '../src/app.ts';
import { parseDatabase } from '../src/config/database.ts';
import { Guard } from '../src/guard/guard.ts';
import { systemRuntime } from '../src/platform/runtime.ts';
import { guardedPairs } from './pairs.ts';

/** One of the contending processes: one caller, pair after pair. */
const [path = '', forMs = '0'] = process.argv.slice(2);
const app = await openApp({
  target: parseDatabase(path, 'bench', 'flag', '/'),
  runtime: systemRuntime,
});
const guard = new Guard(app.ledger, systemRuntime, {
  estimator: 'words',
  cacheReadPercent: 100,
  requestType: 'sdk',
});
process.send?.('ready');
await once(process, 'message');
const { pairs, reserveMs } = await guardedPairs(guard, 1, Number(forMs));
await app.close();
process.send?.({ admitted: pairs, reserveMs }, () => {
  process.disconnect();
});

import { once } from 'node:events';
import { benchTarget, openGuard } from './databases.ts';
import { guardedPairs } from './pairs.ts';

/** One of the contending processes: one caller, pair after pair. */
const [path = '', forMs = '0'] = process.argv.slice(2);
const { app, guard } = await openGuard(benchTarget(path));
process.send?.('ready');
await once(process, 'message');
const { pairs, reserveMs } = await guardedPairs(guard, 1, Number(forMs));
await app.close();
process.send?.({ admitted: pairs, reserveMs }, () => {
  process.disconnect();
});

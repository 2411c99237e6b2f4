import { openApp } from '../src/app.ts';
import { parseDatabase } from '../src/config/database.ts';
import { systemRuntime } from '../src/platform/runtime.ts';
import { heapAfterCollection, refresher } from '../test/support/refreshes.ts';

/** Heap after the first and after all refreshes, and resident size after that; in bytes. */
export interface Refreshed {
  readonly first: number;
  readonly last: number;
  readonly resident: number;
}

/** A process that refreshes the monitor's screen many times, and tells how large it then is. */
const [path = '', few = '0', many = '0'] = process.argv.slice(2);
const app = await openApp({
  target: parseDatabase(path, 'bench', 'flag', '/'),
  runtime: systemRuntime,
});
const refresh = refresher(app);
await refresh(Number(few));
const first = heapAfterCollection();
await refresh(Number(many) - Number(few));
const refreshed: Refreshed = {
  first,
  last: heapAfterCollection(),
  resident: process.memoryUsage().rss,
};
process.send?.(refreshed, () => {
  process.disconnect();
});
await app.close();

import { cpus, totalmem } from 'node:os';
import { namesOf } from '../test/support/arguments.ts';
import { contention } from './contention.ts';
import { dashboard } from './dashboard.ts';
import { gateway } from './gateway.ts';
import { http } from './http.ts';
import { memory } from './memory.ts';
import { monitor } from './monitor.ts';
import { starting } from './starting.ts';
import { sustained } from './sustained.ts';
import { throughput } from './throughput.ts';
import { usage } from './usage.ts';

/** `npm run bench`, or `npm run bench -- throughput` for some of it. */
const benches = {
  starting,
  throughput,
  sustained,
  contention,
  memory,
  monitor,
  gateway,
  http,
  usage,
  dashboard,
};

const names = Object.keys(benches);
const given = process.argv.slice(2);
const chosen = namesOf('bench', given.length === 0 ? names : given, names);
console.log(
  `${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${String(Math.round(totalmem() / 2 ** 30))} GiB, Node ${process.version}, ${process.platform}`,
);
for (const [name, run] of Object.entries(benches)) {
  if (chosen.includes(name)) await run();
}

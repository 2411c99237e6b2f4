import { cpus, totalmem } from 'node:os';
import { contention } from './contention.ts';
import { gateway } from './gateway.ts';
import { memory } from './memory.ts';
import { starting } from './starting.ts';
import { sustained } from './sustained.ts';
import { throughput } from './throughput.ts';

/** `npm run bench`, or `npm run bench -- throughput` for some of it. */
const benches = { starting, throughput, sustained, contention, memory, gateway };

const chosen = process.argv.slice(2);
console.log(
  `${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${String(Math.round(totalmem() / 2 ** 30))} GiB, Node ${process.version}, ${process.platform}`,
);
for (const [name, run] of Object.entries(benches)) {
  if (chosen.length === 0 || chosen.includes(name)) await run();
}

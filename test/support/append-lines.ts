/** Appends lines `WRITER-NUMBER` to a file, as a process of its own, and says each that it has appended. */
import { appendLine } from '../../src/platform/append-line.ts';

const [path = '', writer = '', count = '', maxBytes = ''] = process.argv.slice(2);
process.stdout.write('ready\n');
// All are ready before one begins.
await new Promise((resolve) => process.stdin.once('data', resolve));
for (let number = 0; number < Number(count); number += 1) {
  const name = `${writer}-${String(number)}`;
  const line = JSON.stringify({ name, text: 'x'.repeat(50 + ((number * 37) % 400)) });
  await appendLine(path, line, { maxBytes: Number(maxBytes), kept: 3 });
  process.stdout.write(`${name}\n`);
}
process.exit();

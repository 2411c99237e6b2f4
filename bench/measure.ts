import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the benchmarks share: places, medians, and the disk's own speed. */

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tokenctl-bench-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** How long the disk takes to make 4 KiB durable, in ms: the median of 200 appends with fdatasync. */
export function syncTimeMs(folder: string): number {
  const path = join(folder, 'sync-probe');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let index = 0; index < 200; index += 1) {
    const start = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(path);
  return median(times);
}

export interface Row {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
}

/** A Markdown table, as docs/performance.md holds it. */
export function printTable(title: string, rows: readonly Row[]): void {
  console.log(`\n### ${title}\n\n| measured | value | goal |\n| --- | --- | --- |`);
  for (const { what, value, goal } of rows) console.log(`| ${what} | ${value} | ${goal} |`);
}

export function format(value: number, digits = 0): string {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

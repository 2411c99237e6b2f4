import { execFileSync } from 'node:child_process';
import Database from 'better-sqlite3';
import type { Browser } from 'playwright-core';
import { openBrowser, openDashboard, serveDashboard } from '../test/support/browser.ts';
import { makeState } from '../test/support/dashboard-states.ts';
import { join } from 'node:path';
import { format, median, printTable, temporaryFolder } from './measure.ts';

const ROWS = 1_000_000;
const RUNS = 9;

/** The dashboard in a browser that has never seen it, on an SQLite log of 1,000,000 rows. */
export async function dashboard(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
  const folder = temporaryFolder();
  const path = join(folder.path, 'dashboard.db');
  await makeState('normal', path);
  addRows(path);
  const browser = await openBrowser();
  const paints: number[] = [];
  const wholes: number[] = [];
  try {
    for (let run = 0; run < RUNS; run += 1) {
      // A server that has answered nothing yet.
      const served = await serveDashboard(path);
      const { paint, whole } = await visit(browser, served.url).finally(() => served.stop());
      paints.push(paint);
      wholes.push(whole);
    }
  } finally {
    await browser.close();
    folder.remove();
  }
  const both = (times: readonly number[]): string =>
    `${format(median(times))} ms, ${format(Math.max(...times))} ms`;
  printTable(`Dashboard, ${format(ROWS)} log rows`, [
    { what: 'first paint, cold: median, slowest', value: both(paints), goal: '< 1,000 ms' },
    { what: 'all of it drawn, charts and lists: median, slowest', value: both(wholes), goal: '' },
  ]);
}

/** In ms from the navigation on. */
async function visit(browser: Browser, url: string): Promise<{ paint: number; whole: number }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await openDashboard(page, url);
  const whole = await page.evaluate<number>('performance.now()');
  const paint = await page.evaluate<number>(
    'performance.getEntriesByName("first-contentful-paint")[0].startTime',
  );
  await context.close();
  return { paint, whole };
}

/** Older rows, of the last 30 days, whose counting costs a minute by the triggers. */
function addRows(path: string): void {
  const database = new Database(path);
  database.pragma('synchronous = OFF');
  database.exec(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${String(ROWS)})
    INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, model_used, created_at)
    SELECT 'type-' || (i % 12), 0, 0, 0, 'claude-model-' || (i % 5),
      strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (i * 2592000 / ${String(ROWS)} + 1) || ' seconds') FROM n`);
  database.close();
}

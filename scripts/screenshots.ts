/**
 * Pictures of the dashboard in every state, for those who change it to look at:
 *
 *   npm run screenshots            into the system's temporary folder
 *   npm run screenshots -- FOLDER
 */
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { openBrowser, openDashboard, serveDashboard } from '../test/support/browser.ts';
import { makeState, STATES } from '../test/support/dashboard-states.ts';

const LOOKS = {
  desktop: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  'desktop-dark': { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: 'light', isMobile: true },
  'phone-dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true },
} as const;

const folder = process.argv[2] ?? join(tmpdir(), 'tokenctl-screenshots');
mkdirSync(folder, { recursive: true });
// The pictures show where they are.
const databases = join(folder, 'databases');
mkdirSync(databases, { recursive: true });
const browser = await openBrowser();
try {
  for (const state of STATES) await shoot(browser, state);
} finally {
  await browser.close();
  rmSync(databases, { recursive: true, force: true });
}
console.log(folder);

async function shoot(browser: Browser, state: (typeof STATES)[number]): Promise<void> {
  const path = join(databases, `${state}.db`);
  await makeState(state, path);
  const served = await serveDashboard(path);
  for (const [look, options] of Object.entries(LOOKS)) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await openDashboard(page, served.url);
    await page.screenshot({ path: join(folder, `${state}-${look}.png`), fullPage: true });
    await context.close();
  }
  const page = await browser.newPage(LOOKS.desktop);
  await openDashboard(page, served.url);
  await served.stop();
  if (state !== 'normal') return page.close();
  await page.waitForSelector('#trouble:not([hidden])');
  await page.screenshot({ path: join(folder, 'stale-desktop.png'), fullPage: true });
  await page.close();
}

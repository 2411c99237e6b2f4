/** Debian's chromium, and a `tokenctl serve` for it; neither knows the test runner, so that scripts and benches may use them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

const BINARY = fileURLToPath(new URL('../../bin/tokenctl.js', import.meta.url));
const PROGRAM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** It runs as root in a container, draws without a graphics card, and calls nobody by itself. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

export async function openBrowser(): Promise<Browser> {
  if (!existsSync(PROGRAM)) {
    throw new Error(`the dashboard's tests need ${PROGRAM}: apt-get install chromium`);
  }
  return chromium.launch({ executablePath: PROGRAM, args: FLAGS });
}

export interface Served {
  readonly url: string;
  readonly port: number;
  /** Ends it as a crash would. */
  stop(): Promise<void>;
}

/** Starts `tokenctl serve` on a database and waits until it listens. */
export async function serveDashboard(
  database: string,
  { port = 0, args = [] as readonly string[] } = {},
): Promise<Served> {
  const flags = ['serve', '--json', '--port', String(port), '--database', database, ...args];
  const child = spawn(process.execPath, [BINARY, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([text]: unknown[]) => String(text)),
    exited.then(() => null),
  ]);
  if (line === null) throw new Error('tokenctl serve did not start');
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    port: Number(new URL(url).port),
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What a page must never have: errors, violations of its policy, calls to others. */
export function watch(page: Page, own: string): readonly string[] {
  const seen: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') seen.push(message.text());
  });
  page.on('pageerror', (error) => seen.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(own)) seen.push(`it asks ${request.url()}`);
  });
  return seen;
}

/** Opens the dashboard and waits until all of it is drawn. */
export async function openDashboard(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.waitForSelector('#budget:not([hidden])');
  await page.waitForSelector('#time-chart canvas');
  await page.waitForSelector('#month-chart canvas');
  await page.waitForSelector('#denials > *');
  await page.waitForSelector('#alerts > *');
}

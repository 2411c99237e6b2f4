import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openApp, type App } from '../../src/app.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import {
  openBrowser,
  openDashboard,
  serveDashboard,
  watch,
  type Served,
} from '../support/browser.ts';
import {
  HOSTILE,
  logRow,
  makeState,
  STATES,
  type State as Made,
} from '../support/dashboard-states.ts';

/** `live` is one that a test changes. */
type State = Made | 'live';

const PHONE = { width: 360, height: 740 };

let folder: string;
let browser: Browser;
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tokenctl-dashboard-'));
  const states = Promise.all([
    ...STATES.map((state) => makeState(state, pathOf(state))),
    makeState('normal', pathOf('live')),
  ]);
  [browser] = await Promise.all([openBrowser(), states]);
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

const pathOf = (state: State): string => join(folder, `${state}.db`);
/** How commands begin that work on its database. */
const commandOf = (state: State): string => `tokenctl --database ${pathOf(state)}`;

async function serve(
  state: State,
  options: Parameters<typeof serveDashboard>[1] = {},
): Promise<Served> {
  const served = await serveDashboard(pathOf(state), options);
  open.push(() => served.stop());
  return served;
}

async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  open.push(() => context.close());
  return context.newPage();
}

/** A page of a state, whole, with what went wrong in it. */
async function opened(state: State, options: BrowserContextOptions = {}) {
  const served = await serve(state);
  const page = await newPage(options);
  const wrong = watch(page, served.url);
  await openDashboard(page, served.url);
  return { served, page, wrong };
}

async function withApp<T>(state: State, work: (app: App) => Promise<T>): Promise<T> {
  const target = parseDatabase(pathOf(state), 'test', 'flag', '/');
  const app = await openApp({ target, runtime: systemRuntime });
  return work(app).finally(() => app.close());
}

const grouped = (value: number): string => value.toLocaleString('en-US');

/** What axe finds serious or critical. */
async function faults(page: Page): Promise<string[]> {
  // By evaluation, which the page's policy does not hinder.
  await page.evaluate(axe.source);
  const found = await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html + ' ' + (any[0]?.message ?? '')).join(' | ')))`,
  );
  return found as string[];
}

describe('the dashboard', () => {
  it('shows what status has: level, windows, who spends, what was denied', async () => {
    const { page, wrong } = await opened('normal');
    const report = await withApp('normal', (app) => app.status());
    const [month] = report.windows;

    expect(await page.title()).toBe(`OK ${month!.percent!.toFixed(2)} % · tokenctl`);
    expect(await page.innerText('#level')).toContain('A request of 2,000 tokens passes now');
    const gauge = await page.innerText('#windows > li:first-child');
    for (const amount of [month!.used, month!.held, month!.remaining!, month!.limit!]) {
      expect(gauge).toContain(grouped(amount));
    }
    const rows = page.locator('#types tbody tr');
    expect(await rows.count()).toBe(report.aiTypes.length);
    const [greatest] = report.aiTypes;
    const text = await rows.first().innerText();
    expect(text).toContain(greatest!.aiType);
    expect(text).toContain(grouped(greatest!.used));
    const denied = await page.innerText('#denials');
    expect(denied).toContain('sandbox asked for 5,000 tokens');
    expect(denied).toContain('4 times');
    expect(denied).toContain('can never pass: the limit of a request is 2,000');
    expect(denied).toContain(`${commandOf('normal')} limits set request=5000`);
    expect(wrong).toEqual([]);
  });

  it('has the numbers of both charts as tables, which agree with status', async () => {
    const { page, wrong } = await opened('normal');
    const report = await withApp('normal', (app) => app.status());
    const { used, held } = report.windows[0]!;
    const day = report.windows[1]!;

    // What is pointed at is told, and no more when nothing is.
    const readout = page.locator('#month-readout');
    await page.locator('#month-chart .u-over').scrollIntoViewIfNeeded();
    const { x, y } = (await page.locator('#month-chart .u-over').boundingBox())!;
    await page.mouse.move(x + 2, y + 50);
    await page.mouse.move(x + 1, y + 51);
    await readout.getByText(/: 0 tokens$/).waitFor();
    await page.mouse.move(0, 0);
    await readout.getByText(/^Now: /).waitFor();

    await page.getByText('Month', { exact: true }).last().click();
    await page.click('#time-details summary');
    const first = page.locator('#time-table tbody tr').first();
    await first.getByText(day.startsAt.slice(0, 10)).waitFor();
    expect(await first.locator('td').first().innerText()).toBe(grouped(day.used));
    await page.getByText('Year', { exact: true }).click();
    await first.getByText(report.time.slice(0, 7), { exact: true }).waitFor();
    expect(await first.locator('td').first().innerText()).toBe(grouped(used));
    expect(await page.locator('#month-table').textContent()).toContain(grouped(used + held));
    expect(wrong).toEqual([]);
  });

  it('says of an empty ledger that nothing is there, and what contradicts itself', async () => {
    const { page, wrong } = await opened('empty');
    expect(await page.innerText('main')).toContain('No AI type has used anything');
    expect(await page.innerText('#denials')).toBe('No request was denied lately.');
    expect(await page.innerText('#findings')).toContain(
      'requests of 195 to 1,000 tokens can never pass',
    );
    expect(await page.innerText('#findings code')).toBe(
      `${commandOf('empty')} limits apply --profile paced`,
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    ['critical', 'Requests above 500 tokens are denied', ['critical', 'warning']],
    ['emergency', 'every request is denied until', ['emergency', 'warning']],
  ] as const)(
    'shows level %s, what it does, and the open alerts',
    async (state, meaning, levels) => {
      const { page, wrong } = await opened(state);
      expect(await page.innerText('#level-title')).toContain(state.toUpperCase());
      expect(await page.innerText('#level-meaning')).toContain(meaning);
      expect(await page.locator('#alerts .badge').allInnerTexts()).toEqual(levels);
      const [id] = await withApp(state, async (app) =>
        (await app.alerts()).alerts.map((each) => each.id),
      );
      expect(await page.innerText('#alerts')).toContain(
        `${commandOf(state)} alerts ack ${id!.slice(-8)}`,
      );
      expect(await page.innerText('#alerts')).toContain(
        state === 'emergency' ? 'taken over by maria@ops' : 'open',
      );
      expect(wrong).toEqual([]);
    },
  );

  it('shows hostile names and messages as text', async () => {
    const { page, wrong } = await opened('hostile');
    expect(await page.innerText('#denials')).toContain(HOSTILE);
    expect(await page.innerText('#alerts')).toContain(`by ${HOSTILE}: ${HOSTILE}`);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toMatch(/^WARNING /);
    expect(wrong).toEqual([]);
  });

  it('follows the ledger, tells a new level to those who hear it, and nothing else', async () => {
    const { page, wrong } = await opened('live');
    const announced = page.locator('#announcer');
    const used = async (): Promise<number> =>
      (await withApp('live', (app) => app.status())).windows[0]!.used;
    const gauge = page.locator('#windows > li:first-child');
    logRow(pathOf('live'), 'imperium', 1_000);
    await gauge.getByText(grouped(await used())).waitFor();
    expect(await announced.innerText()).toBe('');

    logRow(pathOf('live'), 'newcomer', Math.ceil(1_400_000 * 0.85 - (await used())));
    await page.locator('#level[data-level="warning"]').waitFor();
    expect(await announced.innerText()).toMatch(
      /^Level warning\. 8\d\.\d\d % of 1,400,000 tokens\./,
    );
    await page.locator('#types').getByText('newcomer').waitFor();
    // The charts follow a little later.
    await page.locator('#time-legend').getByText('newcomer').waitFor();
    expect(wrong).toEqual([]);
  });

  it('says since when it is stale, and is live again when the server is back', async () => {
    const { page, served } = await opened('critical');
    await served.stop();
    await page.locator('#trouble').getByText('Stale since').waitFor();
    expect(await page.innerText('#trouble')).toMatch(/The server does not answer\. Trying again/);
    expect(await page.innerText('#live')).toBe('Stale');
    expect(await page.title()).toMatch(/^STALE · CRITICAL/);
    expect(await page.innerText('#level-title')).toContain('CRITICAL');

    await serve('critical', { port: served.port });
    await page.locator('#trouble').waitFor({ state: 'hidden' });
    expect(await page.innerText('#live')).toBe('Live');
  });

  it('is walked and used by keyboard', async () => {
    const { page } = await opened('normal');
    const focused = (): Promise<string> =>
      page.evaluate<string>(
        '((at) => at?.getAttribute("aria-label") ?? (at?.textContent || at?.getAttribute("value") || ""))(document.activeElement)',
      );
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the budget');
    const walked: string[] = [];
    for (let step = 0; step < 25; step += 1) {
      await page.keyboard.press('Tab');
      walked.push(await focused());
    }
    expect(walked).toEqual(
      expect.arrayContaining([
        'hours',
        'As a table',
        'Denied',
        `Copy ${commandOf('normal')} limits set request=5000`,
        'API',
      ]),
    );

    await page.focus('#types th:nth-child(8) button');
    await page.keyboard.press('Enter');
    expect(await page.getAttribute('#types th:nth-child(8)', 'aria-sort')).toBe('descending');
    expect(await page.innerText('#types tbody tr:first-child th')).toBe('sandbox');
    expect(await focused()).toBe('Denied');
    await page.focus('input[value="hours"]');
    await page.keyboard.press('ArrowRight');
    await page
      .locator('#time-table')
      .getByText(/^\d{4}-\d\d-\d\d$/)
      .first()
      .waitFor({ state: 'attached' });
    await page.focus('#time-details summary');
    await page.keyboard.press('Enter');
    expect(await page.locator('#time-table').isVisible()).toBe(true);
  });

  it('copies the command that mends something', async () => {
    const { page } = await opened('normal', { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.click('#denials .copy');
    await page.locator('#denials').getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(
      `${commandOf('normal')} limits set request=5000`,
    );
  });

  it.each(['light', 'dark'] as const)(
    'has no fault that axe calls serious, in %s',
    async (colorScheme) => {
      for (const state of ['normal', 'emergency', 'empty'] as const) {
        const { page } = await opened(state, { colorScheme });
        await page.click('#time-details summary');
        expect(await faults(page), state).toEqual([]);
      }
    },
  );

  it('fits a phone', async () => {
    for (const state of ['emergency', 'hostile'] as const) {
      const { page } = await opened(state, { viewport: PHONE, isMobile: true, hasTouch: true });
      await page.click('#time-details summary');
      const width = (name: string) => page.evaluate<number>(`document.documentElement.${name}`);
      expect(await width('scrollWidth'), state).toBe(await width('clientWidth'));
    }
  });

  it('asks for a token where the server is not on its own machine, keeps it for the tab, and takes no other', async () => {
    const secret = await withApp('critical', async (app) => {
      const request = {
        name: 'dashboard',
        scopes: ['read'],
        aiTypes: null,
        expiresAtMs: null,
      } as const;
      return (await app.createToken({ ...request, actor: null })).secret;
    });
    const served = await serve('critical', { args: ['--host', '0.0.0.0'] });
    const url = `http://127.0.0.1:${String(served.port)}`;
    const page = await newPage();
    await page.goto(url);
    await page.locator('#token').waitFor();
    expect(await page.locator('#budget').isVisible()).toBe(false);
    expect(await page.evaluate('document.activeElement.id')).toBe('token-field');
    expect(await faults(page)).toEqual([]);
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The token is unknown').waitFor();
    await page.fill('#token-field', secret);
    await page.keyboard.press('Enter');
    await page.locator('#level').getByText('CRITICAL').waitFor();
    await page.reload();
    await page.locator('#level').getByText('CRITICAL').waitFor();
    await page.click('#forget');
    await page.locator('#token').waitFor();
  });
});

describe('its files', () => {
  it('are small, named by an ETag, compressed, and under a policy that lets nothing in from elsewhere', async () => {
    const { url } = await serve('empty');
    let size = 0;
    for (const path of [
      '/',
      '/dashboard/main.js',
      '/dashboard/style.css',
      '/dashboard/uplot.css',
      '/dashboard/icon.svg',
    ]) {
      const plain = await fetch(url + path, { headers: { 'accept-encoding': 'identity' } });
      expect(plain.status).toBe(200);
      size += (await plain.arrayBuffer()).byteLength;
      const policy = plain.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe|http|\*|data:/);
      const etag = plain.headers.get('etag')!;
      const again = await fetch(url + path, { headers: { 'if-none-match': etag } });
      expect([again.status, (await again.text()).length]).toEqual([304, 0]);
      const packed = await fetch(url + path, { headers: { 'accept-encoding': 'br' } });
      expect(packed.headers.get('content-encoding')).toBe('br');
    }
    expect(size).toBeLessThan(150_000);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}/dashboard/%2e%2e/package.json`)).status).toBe(404);
    expect(await (await fetch(`${url}/dashboard/uPlot.LICENSE`)).text()).toContain('MIT');
  });
});

import type { AlertsDocument } from '../../../alerts/care-documents.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import type { UsageReport } from '../../../ledger/usage.ts';
import { renderAiTypes } from './ai-types.ts';
import { byId, h, setText } from './dom.ts';
import { Feed } from './feed.ts';
import { renderLevel, say, sentence, sinceText } from './level.ts';
import { renderAlerts, renderDenials, renderFindings, type Denial } from './lists.ts';
import { redrawMonthChart, renderMonthChart } from './month-chart.ts';
import { learnCommand } from './own-command.ts';
import { getJson, keepToken, token } from './server.ts';
import { questionsOf, stackOf, type Stack, type View } from './stack.ts';
import { nowMs, syncClock, tick } from './time.ts';
import { redrawTimeChart, renderTimeChart } from './time-chart.ts';
import { renderWindows } from './windows.ts';

/** Puts the page together: what the server says is drawn; what it says no more is told to be old. */

/** What is asked beside the events is asked at most so often, in ms. */
const REFRESH_MS = 4_000;
const TICK_MS = 1_000;
/** Usage of a long time is read from many counts: it is asked for less often. */
const USAGE_EVERY_MS = { hours: REFRESH_MS, days: 30_000, months: 60_000 } as const;
const MONTH_EVERY_MS = 60_000;

let report: StatusReport | null = null;
let stack: Stack | null = null;
let stackAtMs = -Infinity;
let month: UsageReport | null = null;
let monthAtMs = -Infinity;
let view: View = 'hours';
/** When the page last heard how the ledger is, by the server's clock; null before. */
let heardMs: number | null = null;
let trouble: {
  readonly kind: 'lost' | 'down';
  readonly why: string;
  retryAtMs: number | null;
} | null = null;

const feed = new Feed({
  onStatus(now) {
    report = now;
    syncClock(now.time);
    alive();
    showBudget();
    refresh.soon();
  },
  onLost(why) {
    fallen({ kind: 'lost', why, retryAtMs: null });
  },
  onHeartbeat() {
    if (trouble === null) alive();
    refresh.soon();
  },
  onDown(why, retryMs) {
    fallen({ kind: 'down', why, retryAtMs: performance.now() + retryMs });
  },
  onRefused: askForToken,
});

/** Asks for what the events do not carry: soon, but not often, and never twice at once. */
const refresh = {
  waiting: false,
  running: false,
  lastMs: -REFRESH_MS,
  soon(): void {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => void this.run(), Math.max(0, this.lastMs + REFRESH_MS - performance.now()));
  },
  async run(): Promise<void> {
    this.waiting = false;
    if (this.running) {
      this.soon();
      return;
    }
    this.running = true;
    this.lastMs = performance.now();
    // What fails here is told by the events, and asked again with the next of them.
    await Promise.allSettled([loadUsage(), loadMonth(), loadDenials(), loadAlerts()]);
    drawCharts();
    this.running = false;
  },
};

/** Unless what is shown is new enough. */
async function loadUsage(): Promise<void> {
  const startedMs = performance.now();
  if (stack?.view === view && startedMs - stackAtMs < USAGE_EVERY_MS[view]) return;
  const asked = view;
  const atMs = nowMs();
  const questions = questionsOf(asked, atMs);
  const [totals, byAiType] = await Promise.all([
    getJson<UsageReport>(questions.totals),
    getJson<UsageReport>(questions.byAiType),
  ]);
  if (asked !== view) return;
  stack = stackOf(asked, atMs, totals, byAiType);
  stackAtMs = startedMs;
}

async function loadMonth(): Promise<void> {
  const startedMs = performance.now();
  if (month !== null && startedMs - monthAtMs < MONTH_EVERY_MS) return;
  month = await getJson<UsageReport>('/api/v1/usage?by=day');
  monthAtMs = startedMs;
}

async function loadDenials(): Promise<void> {
  await learnCommand();
  renderDenials((await getJson<{ denials: Denial[] }>('/api/v1/denials?limit=100')).denials);
}

async function loadAlerts(): Promise<void> {
  await learnCommand();
  renderAlerts(await getJson<AlertsDocument>('/api/v1/alerts'));
}

function drawCharts(): void {
  if (report === null) return;
  if (stack !== null) renderTimeChart(stack, report);
  if (month !== null) renderMonthChart(report, month);
}

function showBudget(): void {
  if (report === null) return;
  byId('waiting').hidden = true;
  byId('token').hidden = true;
  byId('budget').hidden = false;
  byId('forget').hidden = token() === null;
  const { kind, location } = report.database;
  setText(byId('database'), `${kind === 'sqlite' ? 'SQLite' : 'PostgreSQL'} ${location}`);
  renderLevel(report);
  renderWindows(report);
  renderAiTypes(report);
  renderFindings(report);
}

function alive(): void {
  if (trouble !== null) say('The page is live again.');
  heardMs = nowMs();
  trouble = null;
  showLife();
}

function fallen(now: NonNullable<typeof trouble>): void {
  if (trouble === null) say(`The page is stale: ${now.why}`);
  trouble = now;
  showLife();
}

/** Whether what is shown is so, or was so: said in words, at the top of the page. */
function showLife(): void {
  const state = trouble?.kind ?? (heardMs === null ? 'connecting' : 'live');
  byId('live').dataset['state'] = state;
  setText(
    byId('live-text'),
    { live: 'Live', connecting: 'Connecting', lost: 'Stale', down: 'Stale' }[state],
  );
  document.body.classList.toggle('stale', trouble !== null);
  const banner = byId('trouble');
  banner.hidden = trouble === null;
  if (trouble === null) return;
  const since = heardMs === null ? 'Nothing is known yet' : `Stale since ${sinceText(heardMs)}`;
  const seconds = Math.ceil(((trouble.retryAtMs ?? 0) - performance.now()) / 1_000);
  const next =
    trouble.retryAtMs === null
      ? 'Every request is denied until the ledger answers.'
      : seconds > 0
        ? `Trying again in ${String(seconds)} s.`
        : 'Trying again.';
  const text = `${sentence(trouble.why)} ${next}`;
  if (banner.childElementCount === 0) banner.append(h('strong'), h('span'));
  const [first, second] = banner.children;
  if (first !== undefined) setText(first, `${since}.`);
  if (second !== undefined) setText(second, ` ${text}`);
  document.title = `STALE · ${report === null ? '' : `${report.level.toUpperCase()} · `}tokenctl`;
}

function askForToken(why: string): void {
  byId('waiting').hidden = true;
  byId('budget').hidden = true;
  const form = byId('token');
  form.hidden = false;
  const refused = token() === null ? '' : `${sentence(why)} `;
  setText(byId('token-why'), `${refused}This server tells its numbers to those who have a token.`);
  byId('token-field').focus();
}

byId('token').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId('token-field') as HTMLInputElement;
  keepToken(field.value.trim());
  field.value = '';
  feed.start();
});
byId('forget').addEventListener('click', () => {
  keepToken(null);
  location.reload();
});
for (const choice of document.querySelectorAll<HTMLInputElement>('input[name="view"]')) {
  choice.addEventListener('change', () => {
    view = choice.value as View;
    void loadUsage().then(drawCharts, () => undefined);
  });
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  redrawTimeChart();
  redrawMonthChart();
});
addEventListener('online', () => feed.hurry());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') feed.hurry();
});
setInterval(() => {
  tick();
  if (trouble !== null) showLife();
  else if (report !== null) renderLevel(report);
}, TICK_MS);
feed.start();

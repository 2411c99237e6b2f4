import { isDeepStrictEqual } from 'node:util';
import type { App } from '../../src/app.ts';
import type { StatusReport } from '../../src/ledger/status.ts';
import { step } from '../../src/ledger/steps.ts';
import { sorted, type Answer, type Verdict } from './commands.ts';
import type { Writer } from './foreign.ts';
import {
  addTo,
  COLUMNS,
  GLOBAL,
  nothing,
  rollupKey,
  startsOf,
  windowKey,
  type Count,
  type Row,
  type Sums,
} from './model-counts.ts';
import { itemsOf, levelOf } from './model-decide.ts';
import type { Model } from './model.ts';

/** The ledger and the model said or counted different things. */
export class Disagreement extends Error {
  override readonly name = 'Disagreement';
  readonly about: unknown;
  readonly model: unknown;
  readonly ledger: unknown;

  constructor(what: string, about: unknown, model: unknown, ledger: unknown) {
    super(what);
    this.about = about;
    this.model = model;
    this.ledger = ledger;
  }
}

export function mustAgree(what: string, about: unknown, model: unknown, ledger: unknown): void {
  if (!isDeepStrictEqual(model, ledger)) throw new Disagreement(what, about, model, ledger);
}

/** The ledger's verdict without its words. */
export function plainVerdict(verdict: Verdict): Verdict {
  const reasons = verdict.reasons.map((reason) => ({
    code: reason.code,
    scope: reason.scope,
    window: reason.window,
    limit: reason.limit,
    used: reason.used,
    held: reason.held,
    requested: reason.requested,
    canEverPass: reason.canEverPass,
    retryAt: reason.retryAt,
  }));
  return { ...verdict, reasons: sorted(reasons) };
}

/** Where it is left open which requests were read, what they say of the minute is left open too. */
export function withoutMinute(answer: Answer): Answer {
  if (!('verdict' in answer) || answer.verdict.reasons.length === 0) return answer;
  const reasons = answer.verdict.reasons.map((reason) =>
    reason.window === 'minute' ? { ...reason, used: null, retryAt: null } : reason,
  );
  return { verdict: { ...answer.verdict, reasons, retryAt: null } };
}

/** Every counter of the database: windows, rollups, token_usage. Due holds must be charged where they are due. */
export async function compareCounters(model: Model, app: App, writer: Writer): Promise<void> {
  const rows = await app.ledger.read(function* (ops) {
    return yield* step(ops.windows(null, null));
  });
  const windows: Sums = new Map(
    rows.map((row) => [windowKey(row.aiType ?? GLOBAL, row.start), countFrom({ ...row })]),
  );
  compareSums('windows', model.windows, windows);
  for (const [key, count] of model.windows) {
    if (count.used < 0 || count.held < 0 || count.requests < 0) {
      throw new Disagreement('a window fell below zero', key, 'at least 0', count);
    }
  }
  const rollups: Sums = new Map();
  for (const row of await writer.query('SELECT * FROM usage_rollups')) {
    addTo(
      rollups,
      rollupKey(
        String(row['hour_start']),
        String(row['ai_type']),
        String(row['model_used']),
        String(row['request_type']),
      ),
      countFrom({
        tokensIn: row['tokens_in'],
        tokensOut: row['tokens_out'],
        used: row['used'],
        requests: row['requests'],
        failed: row['failed'],
        denied: row['denied'],
      }),
    );
  }
  compareSums('rollups', withDenialsAside(model.rollups), withDenialsAside(rollups));
  await compareTokenUsage(model, writer);
}

function countFrom(values: Partial<Record<keyof Count, unknown>>): Count {
  const count = nothing();
  for (const column of COLUMNS) count[column] = Number(values[column] ?? 0);
  return count;
}

/** Many denials may share one row, which has the model of the first: so they are held against each other by hour and AI type. */
function withDenialsAside(rollups: Sums): Sums {
  const aside: Sums = new Map();
  for (const [key, count] of rollups) {
    addTo(aside, key, { ...count, denied: 0 });
    addTo(aside, `denied ${key.split('|').slice(0, 2).join('|')}`, { denied: count.denied });
  }
  return aside;
}

function compareSums(what: string, model: Sums, ledger: Sums): void {
  for (const key of new Set([...model.keys(), ...ledger.keys()])) {
    mustAgree(what, key, model.get(key) ?? nothing(), ledger.get(key) ?? nothing());
  }
}

async function compareTokenUsage(model: Model, writer: Writer): Promise<void> {
  const found = new Map(
    (await writer.query('SELECT * FROM token_usage')).map((row) => [
      `${String(row['month_year'])} ${String(row['ai_type'])}`,
      ['tokens_in', 'tokens_out', 'total_tokens', 'request_count'].map((name) => Number(row[name])),
    ]),
  );
  for (const [key, count] of model.windows) {
    const isMonth = /^\d{4}-\d\d [^ ]+$/.test(key);
    if (!isMonth) continue;
    const requests = Math.max(0, count.requests + count.requestsReset);
    const expected = [count.tokensIn, count.tokensOut, count.used, requests];
    mustAgree('token_usage', key, expected, found.get(key));
  }
}

const ROWS = `SELECT id, counted_as, counted_at_ms, state, tokens_in, tokens_out, total_tokens, reserved_tokens,
  reserved_input_tokens, success, model_used, request_type, idempotency_key, denied_count FROM token_usage_logs`;

/** Each row's state and charge, and all denials. */
export async function compareRows(model: Model, app: App, writer: Writer): Promise<void> {
  let denials = 0;
  let found = 0;
  for (const row of await writer.query(ROWS)) {
    if (row['state'] === 'denied') {
      denials += Number(row['denied_count']);
      continue;
    }
    found += 1;
    const known = model.rows.get(String(row['id']));
    const ledger = {
      aiType: row['counted_as'],
      atMs: Number(row['counted_at_ms']),
      state: row['state'],
      tokensIn: Number(row['tokens_in']),
      tokensOut: Number(row['tokens_out']),
      total: Number(row['total_tokens']),
      reserved: Number(row['reserved_tokens']),
      reservedInput: Number(row['reserved_input_tokens']),
      success: Boolean(row['success']),
      model: row['model_used'],
      requestType: row['request_type'],
      key: row['idempotency_key'],
    };
    mustAgree('a log row', row['id'], known === undefined ? null : rowPart(known), ledger);
  }
  mustAgree('the number of log rows', null, model.rows.size, found);
  const denied = [...model.windows].filter(([key]) => /^\d{4}-\d\d $/.test(key));
  mustAgree(
    'the number of denials',
    null,
    denied.reduce((sum, [, count]) => sum + count.denied, 0),
    denials,
  );
  mustAgree('db verify', null, [], await app.verify({ repair: false }));
}

function rowPart(row: Row): Record<string, unknown> {
  const { aiType, atMs, state, tokensIn, tokensOut, total } = row;
  const { reserved, reservedInput, success, model, requestType, key } = row;
  return {
    ...{ aiType, atMs, state, tokensIn, tokensOut, total },
    ...{ reserved, reservedInput, success, model, requestType, key },
  };
}

/** What a screen shows; due holds as used. */
export function compareStatus(
  model: Model,
  nowMs: number,
  aiType: string,
  status: StatusReport,
): void {
  const starts = startsOf(nowMs);
  for (const shown of status.windows) {
    const scope = shown.scope === 'global' ? GLOBAL : shown.scope;
    const start = starts[['month', 'day', 'hour'].indexOf(shown.window)]!;
    const sum = model.shown(scope, start, nowMs);
    mustAgree(
      `status of ${shown.scope} ${shown.window}`,
      start,
      [
        ...[sum.used, sum.held, sum.tokensIn, sum.tokensOut],
        ...[sum.requests + sum.requestsReset, sum.failed, sum.denied],
      ],
      [
        ...[shown.used, shown.held, shown.inputTokens, shown.outputTokens],
        ...[shown.requests, shown.failed, shown.denied],
      ],
    );
  }
  const month = model.window(GLOBAL, starts[0]);
  mustAgree('level', null, levelOf(month.used + month.held, model.limits), status.level);
  mustAgree(
    'the largest that passes',
    aiType,
    model.largest(aiType, nowMs),
    status.largestAdmissible,
  );
  if (model.limits.perMinute !== null && !model.recentIsUnclear(nowMs)) {
    const shown = status.rates.find(({ window }) => window === 'minute')?.requests;
    mustAgree('requests of the minute', null, itemsOf(model.recent(nowMs)), shown);
  }
}

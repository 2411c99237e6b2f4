import type { WindowKind } from '../../src/budget/windows.ts';
import { GLOBAL, nothing, startsOf, type Count } from './model-counts.ts';
import type { Model } from './model.ts';

/** Resets and their undo, by the rules, on the model's own windows. */

export interface ResetAsked {
  /** Empty resets everything. */
  readonly aiTypes: readonly string[];
  readonly window: WindowKind | 'all';
  readonly toTokens: number;
}

export interface ResetDone {
  readonly id: number | null;
  readonly changes: readonly {
    readonly scope: string;
    readonly window: WindowKind;
    readonly start: string;
    readonly before: number;
    readonly after: number;
    readonly held: number;
    readonly requestsBefore: number;
    readonly requestsAfter: number;
  }[];
}

const KINDS = ['month', 'day', 'hour'] as const;

interface Taking {
  readonly scope: string;
  readonly start: string;
  readonly by: { tokensIn: number; tokensOut: number; used: number; requests: number };
}

export function reset(model: Model, nowMs: number, asked: ResetAsked): ResetDone {
  const takings: Taking[] = [];
  for (const [index, start] of startsOf(nowMs).entries()) {
    if (asked.window !== 'all' && asked.window !== KINDS[index]) continue;
    const named = [...model.windows.keys()]
      .filter((key) => key.startsWith(`${start} `))
      .map((key) => key.slice(start.length + 1))
      .filter((scope) => scope !== GLOBAL)
      .filter((scope) => asked.aiTypes.length === 0 || asked.aiTypes.includes(scope));
    const own = named.map((scope) => lower(model, scope, start, asked.toTokens));
    takings.push(...own);
    // Of everything, the global window too; of AI types, the global one falls by what theirs fall.
    if (asked.aiTypes.length === 0) takings.push(lower(model, GLOBAL, start, 0));
    else takings.push(lowerBy(model, start, own));
  }
  const real = takings.filter(({ by }) => by.used > 0 || by.requests > 0);
  const changes = sorted(real.map((taking) => changeOf(model, taking, 1)));
  if (real.length === 0) return { id: null, changes };
  const adjustments = model.resets.begin(real);
  model.apply({ before: null, after: null, adjustments });
  return { id: model.resets.count, changes };
}

function lower(model: Model, scope: string, start: string, to: number): Taking {
  const window = model.window(scope, start);
  if (to > 0 && to >= window.used) return { scope, start, by: none() };
  const lowered = (tokens: number): number =>
    window.used === 0
      ? tokens
      : tokens - Number((BigInt(tokens) * BigInt(to)) / BigInt(window.used));
  return {
    scope,
    start,
    by: {
      tokensIn: lowered(window.tokensIn),
      tokensOut: lowered(window.tokensOut),
      used: window.used - to,
      requests: to === 0 ? window.requests + window.requestsReset : 0,
    },
  };
}

function lowerBy(model: Model, start: string, parts: readonly Taking[]): Taking {
  const window = model.window(GLOBAL, start);
  const sum = (of: keyof Taking['by']): number =>
    parts.reduce((total, { by }) => total + by[of], 0);
  return {
    scope: GLOBAL,
    start,
    by: {
      tokensIn: Math.min(window.tokensIn, sum('tokensIn')),
      tokensOut: Math.min(window.tokensOut, sum('tokensOut')),
      used: Math.min(window.used, sum('used')),
      requests: Math.min(shown(window), sum('requests')),
    },
  };
}

const shown = (window: Count): number => window.requests + window.requestsReset;

function none(): Taking['by'] {
  return { tokensIn: 0, tokensOut: 0, used: 0, requests: 0 };
}

function changeOf(
  model: Model,
  { scope, start, by }: Taking,
  sign: 1 | -1,
): ResetDone['changes'][0] {
  const window = model.windows.get(`${start} ${scope}`) ?? nothing();
  return {
    scope: scope === GLOBAL ? 'global' : scope,
    window: start.length === 7 ? 'month' : start.length === 10 ? 'day' : 'hour',
    start,
    before: window.used,
    after: window.used - sign * by.used,
    held: window.held,
    requestsBefore: shown(window),
    requestsAfter: shown(window) - sign * by.requests,
  };
}

export function sorted(changes: ResetDone['changes']): ResetDone['changes'] {
  const name = ({ scope, start }: ResetDone['changes'][0]): string => `${scope} ${start}`;
  return changes.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}

/** Gives a reset back in its original windows; the code of an error where it can't be. */
export function undo(model: Model, id: number): ResetDone | string {
  const past = model.resets.all[id - 1];
  if (past === undefined) return 'reset_not_found';
  if (past.undone) return 'reset_undone';
  const changes = [...past.taken.values()].map((taking) => changeOf(model, taking, -1));
  model.apply({ before: null, after: null, adjustments: model.resets.undo(past) });
  return { id, changes: sorted(changes) };
}

import { scopeCode, setCommand, type Finding } from './finding.ts';
import type { Limit } from './limits.ts';
import { count } from './tokens.ts';

/** Contradictions within one scope: its windows against each other, and against its largest request. */

export interface LintScope {
  /** 'global' or an AI type. */
  readonly name: string;
  readonly monthly: Limit;
  readonly daily: Limit;
  readonly hourly: Limit;
  /** The most tokens that one of its requests may have, by any limit. */
  readonly ceiling: Limit;
}

interface Amount {
  readonly key: 'monthly' | 'daily' | 'hourly';
  readonly name: 'month' | 'day' | 'hour';
  readonly limit: number;
}

/** Every contradiction within a scope. Windows that are off are left out of each comparison. */
export function lintScope(scope: LintScope): Finding[] {
  const amounts = windowAmounts(scope);
  return [
    ...amounts.flatMap((amount) => belowRequest(scope, amount)),
    ...amounts.flatMap((shorter, index) => {
      const longer = amounts[index + 1];
      return longer === undefined ? [] : compare(scope.name, shorter, longer);
    }),
  ];
}

/** The windows that have a limit, shortest first. */
function windowAmounts({ monthly, daily, hourly }: LintScope): Amount[] {
  const amount = (key: Amount['key'], name: Amount['name'], limit: Limit): Amount[] =>
    limit === null ? [] : [{ key, name, limit }];
  return [
    ...amount('hourly', 'hour', hourly),
    ...amount('daily', 'day', daily),
    ...amount('monthly', 'month', monthly),
  ];
}

function belowRequest({ name, ceiling }: LintScope, { key, ...window }: Amount): Finding[] {
  if (ceiling === null || window.limit >= ceiling) return [];
  const least = window.limit + 1;
  const sizes = least === ceiling ? count(ceiling) : `${count(least)} to ${count(ceiling)}`;
  const requests = name === 'global' ? 'requests' : `${name}'s requests`;
  const article = window.name === 'hour' ? 'an' : 'a';
  return [
    {
      code: scopeCode(name, `${key}_below_request`),
      scope: name,
      severity: 'problem',
      message: `${requests} of ${sizes} tokens can never pass: ${article} ${window.name} holds ${count(window.limit)}`,
      fix: setCommand(name, 'request', window.limit),
    },
  ];
}

function compare(scope: string, shorter: Amount, longer: Amount): Finding[] {
  if (shorter.limit > longer.limit) {
    return [
      {
        code: scopeCode(scope, `${shorter.key}_above_${longer.key}`),
        scope,
        severity: 'problem',
        message: `${limitOf(scope, shorter)} can never bind: a ${longer.name} holds ${count(longer.limit)}`,
        fix: setCommand(scope, shorter.key, longer.limit),
      },
    ];
  }
  const many = countOf(shorter, longer);
  const reachable = many * shorter.limit;
  if (reachable >= longer.limit) return [];
  const rounding = longer.limit - reachable < many;
  return [
    {
      code: scopeCode(scope, `${shorter.name}s_below_${longer.name}`),
      scope,
      severity: rounding ? 'note' : 'problem',
      message: `${limitOf(scope, longer)} can never be reached: ${count(many)} ${shorter.name}s of ${count(shorter.limit)} hold ${count(reachable)}${rounding ? ', by rounding' : ''}`,
      fix: setCommand(scope, shorter.key, Math.ceil(longer.limit / many)),
    },
  ];
}

/** How many of the shorter window the longer one holds, a month being 31 days. */
function countOf(shorter: Amount, longer: Amount): number {
  const days = longer.name === 'month' ? 31 : 1;
  return shorter.name === 'hour' ? days * 24 : days;
}

function limitOf(scope: string, { key, limit }: Amount): string {
  const whose = scope === 'global' ? 'the' : `${scope}'s`;
  const which = scope === 'global' && key === 'monthly' ? 'enforced monthly' : key;
  return `${whose} ${which} limit of ${count(limit)}`;
}

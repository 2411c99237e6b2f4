import type { LimitChange } from '../../budget/limit-changes.ts';
import type { LimitEffect } from '../../ledger/limit-effect.ts';
import type { Screen } from '../output.ts';
import { ruleText } from './binding.ts';
import { grid } from './grid.ts';
import { count, counted, fixLine, hang } from './text.ts';

export function limitChangesView(changes: readonly LimitChange[], screen: Screen): string[] {
  const value = ({ scope }: LimitChange, limit: number | null): string =>
    limit === null ? (scope === 'global' ? 'off' : '-') : count(limit);
  return grid(
    [{ title: 'Limit' }, { title: 'Before', align: 'right' }, { title: 'After', align: 'right' }],
    changes.map((change) => [
      change.scope === 'global' ? change.key : `${change.scope} ${change.key}`,
      value(change, change.before),
      value(change, change.after),
    ]),
    screen,
  );
}

/** What a change does now: the largest request, the rule that binds, and today's denials judged again. */
export function limitEffectView(effect: LimitEffect, { width, symbols }: Screen): string[] {
  const { aiType, largestAdmissible, binding, denialsToday, wouldHavePassed, cut } = effect;
  const largest = ({ before, after }: LimitEffect['largestAdmissible']): string => {
    const [was, is] = [tokens(before), tokens(after)];
    return was === is ? `${is}, as before` : `${was} ${symbols.arrow} ${is}`;
  };
  const rule = (each: LimitEffect['binding']['before']): string =>
    each === null ? 'none, every limit is off' : ruleText(each);
  const [was, is] = [rule(binding.before), rule(binding.after)];
  const whose = aiType === null ? '' : ` of ${aiType}`;
  return [
    ...hang('', `Largest request${whose} that passes now: ${largest(largestAdmissible)}`, width),
    ...hang(
      '',
      `Binds first: ${was === is ? `${is}, as before` : `${was} ${symbols.arrow} ${is}`}`,
      width,
    ),
    ...hang('', denialsText(denialsToday, wouldHavePassed, cut), width),
  ];
}

/** The command that takes a change back. */
export function wayBackLines(revisionBefore: number, screen: Screen): string[] {
  return [
    'This takes it back:',
    fixLine(`tokenctl limits rollback ${String(revisionBefore)}`, screen),
  ];
}

function tokens(largest: number | null): string {
  return largest === null || largest === 0 ? 'none' : counted(largest, 'token');
}

function denialsText(
  denials: number,
  { before, after }: LimitEffect['wouldHavePassed'],
  cut: boolean,
): string {
  if (denials === 0) return 'No request was denied today (UTC).';
  if (denials === 1 && !cut) {
    const verb = after === 0 ? 'would not have passed' : 'would have passed';
    const also = before === 0 ? '' : '; under the limits before it would have';
    return `The one request that was denied today (UTC) ${verb}${also}.`;
  }
  const of = `${cut ? 'newest ' : ''}${count(denials)} requests that were denied today (UTC)`;
  const also = before === 0 ? '' : `; ${count(before)} under the limits before`;
  return `Of the ${of}, ${after === 0 ? 'none' : count(after)} would have passed${also}.`;
}

import { endAll } from './model-endings.ts';
import type { DatabaseKind } from '../../src/ledger/port.ts';
import type { Answer, Command } from './commands.ts';
import { mustAgree, withoutMinute } from './compare.ts';
import type { Row } from './model-counts.ts';
import type { ResetDone } from './model-reset.ts';
import type { Model } from './model.ts';
import type { Happening, Seat } from './seats.ts';

/** What was asked at once and answered, put in the order of the tickets and asked of the model again. */

export interface Answered {
  readonly command: Command;
  readonly seat: Seat;
  /** The transaction that it was answered by. */
  readonly ticket: number;
  readonly answer: Answer;
}

/** A reset or its undo, by the same order. */
export interface Operated {
  readonly ticket: number;
  readonly what: unknown;
  readonly expiresFirst: boolean;
  readonly done: ResetDone | string;
  readonly model: (nowMs: number) => ResetDone | string;
}

/** Due holds that one transaction charges. */
export const EXPIRED_AT_ONCE = 256;
const EXPIRED_BY_RESET = 10_000;

export interface Burst {
  readonly happenings: readonly Happening[];
  readonly answered: readonly Answered[];
  readonly operated: readonly Operated[];
  /** Of holds that are due in the same millisecond, which were charged; only asked where it matters. */
  readonly charged: ((tied: readonly Row[]) => ReadonlySet<string>) | null;
}

export function replay(model: Model, kind: DatabaseKind, burst: Burst): void {
  const operated = new Map(burst.operated.map((one) => [one.ticket, one]));
  let left = burst.answered.length;
  for (const happening of burst.happenings) {
    if (happening.kind === 'foreign') {
      happening.apply();
      continue;
    }
    const { seat, ticket, nowMs, outcome, seen, unseen } = happening;
    if (outcome === 'failed') {
      for (const apply of [...seen, ...unseen]) apply();
      continue;
    }
    const operation = operated.get(ticket);
    if (operation !== undefined) {
      if (operation.expiresFirst) expire(model, nowMs, EXPIRED_BY_RESET, null);
      else if (kind === 'postgresql') expire(model, nowMs, EXPIRED_AT_ONCE, burst.charged);
      mustAgree('a reset', operation.what, operation.model(nowMs), operation.done);
      continue;
    }
    // A lost batch had everything of its ledger that was answered later.
    const mine = burst.answered.filter(
      (one) =>
        one.seat === seat && (outcome === 'lost' ? one.ticket > ticket : one.ticket === ticket),
    );
    if (kind === 'postgresql' || mine.length > 0) {
      expire(model, nowMs, EXPIRED_AT_ONCE, burst.charged);
    }
    const ends = mine.flatMap(({ command }) => (command.kind === 'reserve' ? [] : [command]));
    const answers = endAll(model, ends);
    for (const apply of seen) apply();
    const unclear = new Set<Command>();
    for (const { command } of mine) {
      if (command.kind !== 'reserve') continue;
      if (model.recentIsUnclear(nowMs)) unclear.add(command);
      answers.set(command, model.reserve(command, nowMs));
    }
    for (const apply of unseen) apply();
    if (outcome === 'lost') continue;
    for (const { command, answer } of mine) {
      const cut = unclear.has(command) ? withoutMinute : (same: Answer): Answer => same;
      const about = { command, batch: ticket, at: new Date(nowMs).toISOString() };
      mustAgree('an answer', about, cut(answers.get(command)!), cut(answer));
      left -= 1;
    }
  }
  mustAgree('every answer came from a batch', null, 0, left);
}

function expire(model: Model, nowMs: number, most: number, charged: Burst['charged']): void {
  const due = model.chargeable(nowMs);
  const edge = due[most - 1]?.expiresAtMs;
  const next = due[most];
  if (next === undefined || next.expiresAtMs !== edge) {
    for (const row of due.slice(0, most)) model.expire(row);
    return;
  }
  const tied = due.filter((row) => row.expiresAtMs === edge);
  const certain = due.slice(0, most).filter((row) => row.expiresAtMs !== edge);
  if (charged === null) throw new Error('which of the tied holds were charged is not known');
  const chosen = charged(tied);
  mustAgree('how many due holds one batch charges', null, most - certain.length, chosen.size);
  for (const row of [...certain, ...tied.filter(({ id }) => chosen.has(id))]) model.expire(row);
}

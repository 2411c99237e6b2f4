import type { Answer, Command, End } from './commands.ts';
import { countOf, type Row } from './model-counts.ts';
import type { Model } from './model.ts';

/** The ends of reservations: docs/rules.md, "The end of a reservation". */

/**
 * Ends that are asked for at once: of one open reservation, the first that says what was used comes
 * before those that do not know. Of what ended before, only how it stands at last is written, so
 * that a charge which falls and rises again in between gives nothing back.
 */
export function endAll(model: Model, ends: readonly End[]): Map<Command, Answer> {
  const answers = new Map<Command, Answer>();
  const first = new Set<string>();
  for (const end of ends) {
    const knows = end.kind === 'release' || end.usage !== null;
    const row = model.open.get(end.id);
    if (!knows || row === undefined || first.has(end.id)) continue;
    first.add(end.id);
    answers.set(
      end,
      endOne(model, end, row, (after) => model.apply(model.changed(row, after))),
    );
  }
  const last = new Map<string, Row>();
  for (const end of ends) {
    if (answers.has(end)) continue;
    const row = last.get(end.id) ?? model.rows.get(end.id);
    answers.set(
      end,
      endOne(model, end, row, (after) => last.set(end.id, after)),
    );
  }
  for (const [id, row] of last) model.apply(model.changed(model.rows.get(id)!, row));
  return answers;
}

function endOne(
  { resets, cacheReadPercent }: Model,
  end: End,
  row: Row | undefined,
  write: (after: Row) => void,
): Answer {
  if (row === undefined || row.state === 'denied' || row.reserved === 0) {
    return { error: 'reservation_not_found' };
  }
  const become = (change: Partial<Row>): Answer => {
    const resetsBefore = row.state === 'reserved' ? resets.count : row.resetsBefore;
    const after = { ...row, ...change, resetsBefore };
    write(after);
    return ending(after);
  };
  if (end.kind === 'release') {
    if (row.state === 'settled') return { error: 'reservation_ended' };
    if (row.state === 'released') return ending(row);
    const success = end.error === null;
    return become({ state: 'released', tokensIn: 0, tokensOut: 0, total: 0, success });
  }
  if (row.state === 'settled') return ending(row);
  const label = end.model ?? row.model;
  if (end.usage !== null) {
    const { inputTokens, cacheCreationInputTokens, cacheReadInputTokens } = end.usage;
    const read = Math.ceil((cacheReadInputTokens * cacheReadPercent) / 100);
    const tokensIn = inputTokens + cacheCreationInputTokens + read;
    const tokensOut = end.usage.outputTokens;
    const total = tokensIn + tokensOut;
    return become({ state: 'settled', tokensIn, tokensOut, total, model: label, success: true });
  }
  if (row.state !== 'reserved') return ending(row);
  return become({
    state: 'settled',
    tokensIn: row.reservedInput,
    tokensOut: row.reserved - row.reservedInput,
    total: row.reserved,
    model: label,
    success: false,
  });
}

function ending(row: Row): Answer {
  return { ending: { id: row.id, state: row.state, charged: countOf(row).used } };
}

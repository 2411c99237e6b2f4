import { isoTime, windowAt } from '../budget/windows.ts';
import type { Alert } from '../ledger/alerts.ts';

/** An alert with numbers of nobody, to try a channel. It is in no database. */
export function testAlert(nowMs: number, id: string): Alert {
  const month = windowAt('month', nowMs);
  return {
    ...{ id, kind: 'test', level: 'warning', aiType: null, state: 'raised' },
    ...{ windowKind: 'month', windowStart: month.start },
    message: 'this is a test of the channel, with made-up numbers; nothing has happened',
    data: {
      ...{ used: 108_000, held: 4_000, limit: 140_000, percent: 80, threshold: 112_000 },
      newestReset: 0,
      resetsAt: isoTime(month.resetsAtMs),
      context: {
        tokensPerHour: 1_200,
        limitReachedAt: null,
        topAiTypes: [{ aiType: 'example', tokens: 112_000, percent: 100 }],
        effect: 'nothing: this is a test',
        command: 'tokenctl alerts',
      },
    },
    ...{ seenAtMs: nowMs, raisedAtMs: nowMs, resolvedAtMs: null },
  };
}

/** Alerts that are in no database, for what only looks at one. */
import type { AlertKindSettings } from '../../src/budget/alert-kinds.ts';
import type { Alert } from '../../src/ledger/alerts.ts';

const RAISED = Date.parse('2026-11-24T13:00:00Z');

export const CRITICAL: Alert = {
  ...{ id: '01a20e10-ded8-750e-8598-44e049e8071a', kind: 'level', level: 'critical' },
  ...{ aiType: null, windowKind: 'month', windowStart: '2026-11', state: 'raised' },
  message: '95.10 % of the 140,000 tokens of 2026-11 are used or held',
  data: {
    ...{ used: 130_140, held: 3_000, limit: 140_000, percent: 95.1, threshold: 133_000 },
    newestReset: 0,
    resetsAt: '2026-12-01T00:00:00.000Z',
    context: {
      tokensPerHour: 1_250,
      limitReachedAt: '2026-11-24T19:00:00.000Z',
      topAiTypes: [
        { aiType: 'imperium', tokens: 120_000, percent: 90.13 },
        { aiType: 'a<b>&c', tokens: 13_140, percent: 9.86 },
      ],
      effect: 'requests above 500 tokens are denied',
      command: 'tokenctl status',
    },
  },
  ...{ seenAtMs: RAISED, raisedAtMs: RAISED, resolvedAtMs: null },
};

export const RESOLVED: Alert = {
  ...CRITICAL,
  state: 'resolved',
  resolvedAtMs: RAISED + 3_600_000,
  data: { ...CRITICAL.data, atEnd: { used: 0, held: 1_400, limit: 140_000, percent: 1 } },
};

/** Of all kinds the level alone: what others say depends on the time of the day. */
export const LEVELS_ONLY: AlertKindSettings = {
  ...{ level: true, 'ai-type': false, exhausted: false, denials: null, 'burn-rate': null },
  ...{ overrun: false, silence: null, blind: true },
};

/** The same, as a configuration file says it. */
export const LEVELS_ONLY_CONFIG = Object.fromEntries(
  Object.entries(LEVELS_ONLY).map(([kind, settings]) => [kind, settings ?? false]),
);

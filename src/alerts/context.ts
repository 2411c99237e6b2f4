import type { AlertContext } from '../ledger/alerts.ts';
import type { Snapshot } from '../ledger/snapshot.ts';
import { statusReport } from '../ledger/status.ts';

const TOP = 5;

/** What a message says beside the numbers of its alert: who spends, how fast, and what to do. Pure. */
export function alertContext(snapshot: Snapshot, effect: string, command: string): AlertContext {
  const { burnRate, aiTypes } = statusReport(snapshot, '');
  return {
    tokensPerHour: burnRate.lastDay ?? burnRate.lastHour,
    limitReachedAt: burnRate.limitReachedAt,
    topAiTypes: aiTypes.slice(0, TOP).map(({ aiType, used, held, percentOfGlobal }) => ({
      aiType,
      tokens: used + held,
      percent: percentOfGlobal,
    })),
    effect,
    command,
  };
}

import { windowAt } from '../budget/windows.ts';
import type { Ledger } from './ledger.ts';
import { limitsReader } from './limits-in-force.ts';
import { newestDenials } from './log.ts';
import type { LogEntry, Operations } from './port.ts';
import { applyDue, readSnapshot, type Snapshot } from './snapshot.ts';
import { statusReport, type StatusReport } from './status.ts';
import { step, type Step } from './steps.ts';

/** The status and what happened lately, read at one instant: what the living monitor shows. */
export interface Pulse {
  /** Of the AI type that was asked for, else of all. */
  readonly report: StatusReport;
  /** All AI types of the month, whatever was asked for. */
  readonly aiTypes: StatusReport['aiTypes'];
  /** The last 24 hours, the oldest first; the last one is the current hour. */
  readonly hours: readonly HourOfUse[];
  /** The newest denials, the newest first; of one AI type looked for among the newest 20,000. */
  readonly denials: readonly LogEntry[];
}

export interface HourOfUse {
  /** ISO 8601 UTC. */
  readonly startsAt: string;
  /** Tokens used in it. */
  readonly used: number;
}

const HOURS = 24;
const HOUR_MS = 3_600_000;
const DENIALS = 5;

/** @throws ledger_unavailable */
export async function readPulse(
  ledger: Ledger,
  location: string,
  aiType: string | null,
): Promise<Pulse> {
  const { snapshot, ...lately } = await ledger.read((ops) => readLately(ops, aiType));
  return {
    report: statusReport(snapshot, location, aiType),
    aiTypes: statusReport(snapshot, location).aiTypes,
    ...lately,
  };
}

function* readLately(
  ops: Operations,
  aiType: string | null,
): Step<Pick<Pulse, 'hours' | 'denials'> & { readonly snapshot: Snapshot }> {
  const snapshot = yield* readSnapshot(ops, limitsReader(), aiType === null ? {} : { aiType });
  const starts = Array.from(
    { length: HOURS },
    (_, back) => windowAt('hour', ops.nowMs - (HOURS - 1 - back) * HOUR_MS).start,
  );
  const rows =
    aiType === null
      ? snapshot.hours
      : applyDue(
          yield* step(ops.windows(starts, [aiType])),
          yield* step(ops.dueHolds()),
          starts,
        ).filter((row) => row.aiType === aiType);
  const { entries } = yield* step(ops.logPage(newestDenials(aiType, DENIALS)));
  return {
    snapshot,
    hours: starts.map((start) => ({
      startsAt: `${start}:00:00.000Z`,
      used: rows.find((row) => row.start === start)?.used ?? 0,
    })),
    denials: entries,
  };
}

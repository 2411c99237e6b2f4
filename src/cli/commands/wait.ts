import type { App } from '../../app.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { parseDuration } from '../../budget/duration.ts';
import { invalidInput, TokenctlError } from '../../budget/errors.ts';
import { parseCount } from '../../budget/tokens.ts';
import type { Verdict } from '../../budget/verdict.ts';
import type { StatusReport } from '../../ledger/status.ts';
import type { WindowStatus } from '../../ledger/window-status.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { reportFailure } from '../failure.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import { count, counted, duration, percentText, timeText } from '../views/text.ts';

export interface WaitOptions {
  readonly aiType?: string;
  readonly tokens?: string;
  readonly below?: string;
  readonly timeout?: string;
}

const DEFAULT_TIMEOUT = '1h';
const LONGEST_TIMEOUT = '31d';

/** How one look came out. */
interface Look {
  readonly passes: boolean;
  /** Why waiting is of no use; null while it may be. */
  readonly never: TokenctlError | null;
  /** When it may pass, as far as is known; ISO 8601 UTC. */
  readonly retryAt: string | null;
  /** One line for people. */
  readonly text: string;
  /** What `--json` prints: a verdict, or a status. */
  readonly document: Verdict | StatusReport;
}

type LookAt = (app: App) => Promise<Look>;

export async function wait(context: CommandContext, options: WaitOptions): Promise<number> {
  const { output, runtime } = context;
  const lookAt = conditionOf(options);
  const timeout = options.timeout ?? DEFAULT_TIMEOUT;
  const timeoutMs = parseDuration('--timeout', timeout, LONGEST_TIMEOUT);
  const kept = new KeptApp(context);
  const progress = (text: string): void => {
    output.progress(text === '' ? '' : `waiting: ${text}`);
  };
  const startedMs = runtime.monotonicMs();
  try {
    for (;;) {
      const outcome = await look(kept, lookAt);
      const waitedMs = runtime.monotonicMs() - startedMs;
      const leftMs = timeoutMs - waitedMs;
      if (outcome instanceof TokenctlError) {
        if (leftMs <= 0) throw outcome;
        progress('the database is lost');
      } else if (outcome.passes || outcome.never !== null || leftMs <= 0) {
        progress('');
        if (output.json) output.document(outcome.document);
        else output.result(outcome.text);
        if (outcome.passes) return EXIT.done;
        if (outcome.never !== null) return reportFailure(outcome.never, output, true);
        output.message(`tokenctl: waited ${duration(timeoutMs)} (--timeout), and it did not pass`);
        return EXIT.found;
      } else {
        progress(outcome.text);
      }
      const retryAt = outcome instanceof TokenctlError ? null : outcome.retryAt;
      const untilRetryMs = retryAt === null ? null : Date.parse(retryAt) - runtime.nowMs();
      await runtime.sleep(Math.min(leftMs, pauseMs(waitedMs, untilRetryMs)));
    }
  } finally {
    progress('');
    await kept.close();
  }
}

/** What was found, or how the database was lost. */
async function look(kept: KeptApp, lookAt: LookAt): Promise<Look | TokenctlError> {
  try {
    return await kept.use(lookAt);
  } catch (error) {
    if (isLost(error)) return error;
    throw error;
  }
}

const SHORTEST_MS = 1_000;
const FIRST_MS = 5_000;
const LONGEST_MS = 60_000;

/**
 * How long until the next look, in ms: a tenth of what was waited so far, from 5 to 60 seconds, as
 * limits and resets may change at any time; but not past the time at which it may pass.
 */
export function pauseMs(waitedMs: number, untilRetryMs: number | null): number {
  const mayMs = Math.min(LONGEST_MS, Math.max(FIRST_MS, waitedMs / 10));
  // The database's clock may be behind this one, and must not be asked without a pause.
  return untilRetryMs === null ? mayMs : Math.max(SHORTEST_MS, Math.min(untilRetryMs, mayMs));
}

function conditionOf(options: WaitOptions): LookAt {
  const { tokens, below } = options;
  if ((tokens === undefined) === (below === undefined)) {
    throw invalidInput(
      'wait',
      'needs either --tokens N or --below P%',
      'for example: tokenctl wait --ai-type imperium --tokens 500',
    );
  }
  const aiType = options.aiType === undefined ? null : parseAiType(options.aiType, '--ai-type');
  if (below !== undefined) return belowPercent(parsePercent(below), aiType);
  if (aiType === null) throw invalidInput('--ai-type', 'is needed with --tokens: who asks');
  return wouldPass(aiType, parseCount('--tokens', tokens ?? '', 1));
}

function wouldPass(aiType: string, total: number): LookAt {
  const estimate = { input: total, output: 0, total };
  const what = `a request of ${counted(total, 'token')} of ${aiType}`;
  return async (app) => {
    const verdict = await app.check({ aiType, estimate, items: 1, largestItem: total });
    const { admitted, reasons, retryAt } = verdict;
    const [first] = reasons;
    // A dry check answers for a lost ledger; here it is waited for.
    if (verdict.largestAdmissible === null && first !== undefined) {
      const fix = first.fix === null ? {} : { fix: first.fix };
      throw new TokenctlError('ledger_unavailable', first.message, fix);
    }
    const never = reasons.find(({ canEverPass }) => !canEverPass);
    const why = first?.message ?? '';
    return {
      passes: admitted,
      never:
        never === undefined
          ? null
          : invalidInput('--tokens', never.message, never.fix ?? undefined),
      retryAt,
      text: admitted
        ? `${what} passes now`
        : never !== undefined
          ? `${what} can never pass under these limits`
          : `${what} does not pass: ${why}${retryAt === null ? '' : `; it may pass at ${timeText(retryAt)}`}`,
      document: verdict,
    };
  };
}

function belowPercent(percent: number, aiType: string | null): LookAt {
  return async (app) => {
    const report = await app.status(aiType === null ? {} : { aiType });
    const month = monthOf(report, aiType);
    const whose = month.scope === 'global' ? 'the month' : `${month.scope}'s month`;
    // Without a limit there is nothing to be above of.
    const passes = month.limit === null || (month.percent ?? 100) < percent;
    const state =
      month.limit === null
        ? `${whose} has no limit`
        : `${whose} is at ${percentText(month.percent)} of ${count(month.limit)} tokens`;
    return {
      passes,
      never:
        month.limit === 0
          ? invalidInput('--below', `${whose} has a limit of 0, so it is never below`)
          : null,
      retryAt: month.resetsAt,
      text: passes
        ? `${state}: below ${String(percent)} %`
        : `${state}, not below ${String(percent)} %; it resets at ${timeText(month.resetsAt)}`,
      document: report,
    };
  };
}

/** The AI type's own month where it has a limit of its own, else the global one. */
function monthOf({ windows }: StatusReport, aiType: string | null): WindowStatus {
  const months = windows.filter(({ window }) => window === 'month');
  const own = months.find(({ scope, limit }) => scope === aiType && limit !== null);
  const month = own ?? months.find(({ scope }) => scope === 'global');
  if (month === undefined) throw new Error('a status has no global month');
  return month;
}

/** `80%` or `80`, with up to two decimals. */
function parsePercent(text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,2})?)\s?%?$/.exec(text.trim());
  const percent = Number(match?.[1] ?? Number.NaN);
  if (percent >= 1 && percent <= 100) return percent;
  const shown = text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
  throw invalidInput('--below', `must be from 1% to 100%, not "${shown}"`);
}

import type { App } from '../../app.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput } from '../../budget/errors.ts';
import { parseInstant } from '../../budget/instant.ts';
import { count, parseCount } from '../../budget/tokens.ts';
import {
  REQUEST_STATES,
  type LogEntry,
  type LogFilter,
  type RequestState,
} from '../../ledger/port.ts';
import { requestDocument } from '../../ledger/request-document.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { withApp, type CommandContext } from '../context.ts';
import type { LogDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import { noteNearAiTypes } from '../near-ai-type.ts';
import { logHeader, logLayout, logLines, type LogLayout } from '../views/log.ts';

export interface LogOptions {
  readonly limit?: string;
  readonly aiType?: string;
  readonly state?: string;
  readonly failed?: boolean;
  readonly model?: string;
  readonly since?: string;
  readonly until?: string;
  readonly follow?: boolean;
  readonly interval?: string;
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 10_000;
const DEFAULT_INTERVAL_S = 2;
const MAX_INTERVAL_S = 60;

/** What was asked for, checked. */
interface Asked {
  readonly filter: LogFilter;
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  readonly limit: number;
}

export async function log(context: CommandContext, options: LogOptions): Promise<number> {
  const asked = askedFor(context, options);
  const intervalMs = intervalOf(options);
  if (options.follow === true) return follow(context, asked, intervalMs);
  const { output } = context;
  const read = async (app: App): Promise<LogEntry[]> => {
    output.progress('reading the log');
    const entries = await app.log(asked).finally(() => output.progress(''));
    const { aiType } = asked.filter;
    if (entries.length === 0 && aiType !== null) await noteNearAiTypes(output, app, [aiType]);
    return entries;
  };
  const entries = await withApp(context, read);
  if (output.json) {
    output.document({ requests: entries.map(requestDocument) } satisfies LogDocument);
  } else if (entries.length === 0) {
    output.result('No requests.');
  } else {
    new Printer(context).print(entries);
  }
  if (entries.length === asked.limit && asked.limit < MAX_LIMIT) {
    output.note(`the newest ${count(asked.limit)}; --limit N shows more`);
  }
  return EXIT.done;
}

/** Prints what comes until it is asked to stop, or nobody reads. A lost database is waited for. */
async function follow(context: CommandContext, asked: Asked, intervalMs: number): Promise<number> {
  const { output } = context;
  const { LogFollower } = await import('../../ledger/log.ts');
  const follower = new LogFollower(asked.filter);
  const printer = new Printer(context);
  const kept = new KeptApp(context);
  context.takeInterrupts();
  const { signal, forget } = stopSignal();
  let started = false;
  try {
    while (!signal.aborted && !output.closed) {
      try {
        await kept.use(async ({ ledger }) => {
          if (started) {
            for await (const entries of follower.next(ledger)) printer.print(entries);
          } else {
            printer.print(await follower.start(ledger, asked.sinceMs, asked.limit));
            started = true;
          }
        });
      } catch (error) {
        if (!isLost(error)) throw error;
      }
      await pause(intervalMs, signal);
    }
    return signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
  } finally {
    forget();
    await kept.close();
  }
}

/** Prints requests as they come; the first ones decide how wide the columns are. */
class Printer {
  readonly #output: CommandContext['output'];
  #layout: LogLayout | null = null;

  constructor({ output }: CommandContext) {
    this.#output = output;
  }

  print(entries: readonly LogEntry[]): void {
    const output = this.#output;
    if (output.json) {
      for (const entry of entries) output.line(requestDocument(entry));
      return;
    }
    if (entries.length === 0) return;
    const { screen } = output;
    const width = output.stdoutIsTTY ? screen.width : null;
    if (this.#layout === null) {
      this.#layout = logLayout(entries, width);
      output.result(logHeader(this.#layout, screen, width));
    }
    for (const entry of entries) output.result(logLines(entry, this.#layout, screen, width));
  }
}

function askedFor({ runtime }: CommandContext, options: LogOptions): Asked {
  const { limit, since, until, model } = options;
  const nowMs = runtime.nowMs();
  const sinceMs = since === undefined ? null : parseInstant('--since', since, nowMs);
  const untilMs = until === undefined ? null : parseInstant('--until', until, nowMs);
  if (untilMs !== null && options.follow === true) {
    throw invalidInput('--until', 'has no sense with --follow, which has no end');
  }
  if (sinceMs !== null && untilMs !== null && untilMs <= sinceMs) {
    throw invalidInput('--until', 'must be later than --since');
  }
  return {
    filter: {
      aiType: options.aiType === undefined ? null : aiTypeOf(options.aiType),
      state: options.state === undefined ? null : parseState(options.state),
      model: model ?? null,
      name: null,
      failed: options.failed === true,
    },
    sinceMs,
    untilMs,
    limit: limit === undefined ? DEFAULT_LIMIT : parseCount('--limit', limit, 1, MAX_LIMIT),
  };
}

function intervalOf({ interval, follow }: LogOptions): number {
  if (interval === undefined) return DEFAULT_INTERVAL_S * 1_000;
  if (follow !== true) throw invalidInput('--interval', 'goes with --follow only');
  return parseCount('--interval', interval, 1, MAX_INTERVAL_S) * 1_000;
}

/** Rows of other programs without a valid name count under `unknown`, which may be asked for. */
function aiTypeOf(text: string): string {
  return text.trim().toLowerCase() === 'unknown' ? 'unknown' : parseAiType(text, '--ai-type');
}

function parseState(text: string): RequestState {
  const found = REQUEST_STATES.find((state) => state === text.trim().toLowerCase());
  if (found !== undefined) return found;
  const shown = text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
  throw invalidInput(
    '--state',
    `"${shown}" is no state`,
    `the states are: ${REQUEST_STATES.join(', ')}`,
  );
}

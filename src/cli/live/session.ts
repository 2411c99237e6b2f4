import type { App } from '../../app.ts';
import type { Silence } from '../../ledger/alert-status.ts';
import type { Pulse } from '../../ledger/pulse.ts';
import {
  endByHangUp,
  endProcess,
  onContinue,
  onUnexpectedEnd,
  pause,
  stopSignal,
  suspend,
} from '../../platform/process.ts';
import type { CommandContext } from '../context.ts';
import type { Output } from '../output.ts';
import { EXIT } from '../exit-codes.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import type { LiveAlert } from '../views/live/blocks.ts';
import { FIRST_STATE, lastState, liveFrame, type LiveState } from '../views/live/frame.ts';
import { heldBack } from './held-back.ts';
import { keysOf, pressKey, type Wish } from './keys.ts';
import { LiveScreen } from './screen.ts';

/** What one check finds. */
interface Found {
  readonly pulse: Pulse;
  readonly alerts: readonly LiveAlert[];
  readonly silence: Silence | null;
  /** When the next check must be at the latest, in ms; Infinity leaves it to the interval. */
  readonly lookAgainInMs: number;
}

export interface LiveOptions {
  readonly intervalMs: number;
  /** One check of an AI type, or of all (null). What it says must wait until the screen is given back. */
  readonly check: (app: App, aiType: string | null, output: Output) => Promise<Found>;
  /**
   * A check that began at `startedMs` (the clock that never goes back) was not answered.
   * @returns since when that is told, in ms since 1970; null when it is not
   */
  readonly lost: (reason: string, startedMs: number, output: Output) => Promise<number | null>;
  /** What is done before the database is closed. */
  readonly beforeClose: () => Promise<void>;
}

/** A lost database is looked for this often, or at the interval where that is shorter. */
const LOST_PAUSE_MS = 5_000;
const TICK_MS = 1_000;
/** How long a stop that was asked for may take to happen; a shell without job control never stops it. */
const SUSPEND_MS = 200;
/** How long the end waits for a check that is under way. */
const CLOSE_MS = 1_000;

/**
 * The monitor in a terminal, until it is asked to stop. Leaves the last state on the normal screen, and
 * the terminal as it was, whatever happens.
 */
export async function liveMonitor(context: CommandContext, options: LiveOptions): Promise<number> {
  const session = new LiveSession(context, options);
  context.takeInterrupts();
  let exitCode: number = EXIT.failed;
  try {
    exitCode = await session.run();
  } finally {
    session.showLastState();
    // Nobody who has asked for the end waits for a database that is silent.
    const closed = await session.close();
    if (session.hungUp) endByHangUp();
    if (!closed) endProcess(exitCode);
  }
  return exitCode;
}

class LiveSession {
  readonly #context: CommandContext;
  readonly #options: LiveOptions;
  readonly #screen: LiveScreen;
  readonly #kept: KeptApp;
  readonly #stop = stopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  readonly #said: ReturnType<typeof heldBack>;
  readonly #undo: (() => unknown)[];
  #state: LiveState = FIRST_STATE;
  /** By the clock that never goes back; null while a check is under way. */
  #dueMs: number | null = 0;
  /** A check was asked for while another one was under way. */
  #again = false;
  #ended: { readonly exitCode: number } | { readonly error: unknown } | null = null;
  #suspendAsked = false;
  #waking = new AbortController();

  constructor(context: CommandContext, options: LiveOptions) {
    const wake = (): void => this.#waking.abort();
    this.#context = context;
    this.#options = options;
    this.#said = heldBack(context.output);
    this.#kept = new KeptApp({ ...context, output: this.#said.output }, { sayLost: false });
    this.#screen = new LiveScreen(
      context.output.openCanvas(),
      (text) => {
        for (const key of keysOf(text)) this.#press(key);
        wake();
      },
      wake,
    );
    const { signal, forget } = this.#stop;
    signal.addEventListener('abort', wake);
    this.#undo = [
      forget,
      onUnexpectedEnd(() => this.#screen.leave()),
      onContinue(() => {
        this.#screen.enter();
        wake();
      }),
    ];
  }

  /** Draws, and waits for the next second, a key, a new size or an answer. */
  async run(): Promise<number> {
    const { runtime, output } = this.#context;
    const { signal } = this.#stop;
    this.#screen.enter();
    while (!signal.aborted && !output.closed) {
      if (this.#ended !== null) break;
      if (this.#suspendAsked) await this.#suspend();
      this.#startCheckIfDue();
      this.#screen.draw(liveFrame(this.#state, runtime.nowMs(), this.#screen.size, output.screen));
      // On the second, so that a clock never stands still for two.
      await this.#sleep(TICK_MS - (runtime.nowMs() % TICK_MS));
    }
    if (this.#ended === null) {
      return signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
    }
    if ('error' in this.#ended) throw this.#ended.error;
    return this.#ended.exitCode;
  }

  /** The terminal has gone away. */
  get hungUp(): boolean {
    return this.#stop.signal.reason === 'SIGHUP' || this.#context.output.closed;
  }

  /** Gives the terminal back, and leaves there what was known last. */
  showLastState(): void {
    const { output, runtime } = this.#context;
    const { columns } = this.#screen.size;
    this.#screen.leave();
    if (this.#state.pulse !== null || this.#state.lost !== null) {
      output.result(lastState(this.#state, runtime.nowMs(), { ...output.screen, width: columns }));
    }
    this.#said.release();
  }

  /** Whether the database could be closed in time. */
  async close(): Promise<boolean> {
    for (const undo of this.#undo) undo();
    const late = new AbortController();
    const closed = this.#options
      .beforeClose()
      .then(() => this.#kept.close())
      .then(() => late.abort());
    await pause(CLOSE_MS, late.signal);
    if (late.signal.aborted) await closed;
    return late.signal.aborted;
  }

  async #sleep(ms: number): Promise<void> {
    await pause(ms, this.#waking.signal);
    if (this.#waking.signal.aborted) this.#waking = new AbortController();
  }

  #press(key: string): void {
    const { state, wish } = pressKey(this.#state, key, this.#context.runtime.nowMs());
    // After a pause the next check is made at once.
    const resumed = this.#state.pausedMs !== null && state.pausedMs === null;
    this.#state = state;
    if (resumed) this.#checkNow();
    if (wish !== null) this.#fulfil(wish);
  }

  #fulfil(wish: Wish): void {
    switch (wish) {
      case 'quit':
        this.#ended = { exitCode: EXIT.done };
        break;
      case 'interrupt':
        this.#ended = { exitCode: EXIT.interrupted };
        break;
      case 'suspend':
        this.#suspendAsked = true;
        break;
      case 'redraw':
        this.#screen.redraw();
        break;
      case 'check':
        this.#checkNow();
        break;
    }
  }

  async #suspend(): Promise<void> {
    this.#suspendAsked = false;
    this.#screen.leave();
    suspend();
    await this.#sleep(SUSPEND_MS);
    this.#screen.enter();
  }

  #startCheckIfDue(): void {
    const { pausedMs } = this.#state;
    if (pausedMs === null && (this.#dueMs ?? Infinity) <= this.#context.runtime.monotonicMs()) {
      this.#checkNow();
    }
  }

  #checkNow(): void {
    if (this.#dueMs === null) {
      this.#again = true;
      return;
    }
    this.#dueMs = null;
    this.#state = { ...this.#state, nextMs: null };
    void this.#check().finally(() => this.#waking.abort());
  }

  /** Makes one check, and plans the next one. Never throws. */
  async #check(): Promise<void> {
    const { runtime } = this.#context;
    const { intervalMs, check } = this.#options;
    const startedMs = runtime.monotonicMs();
    let pauseMs = intervalMs;
    try {
      const { lookAgainInMs, ...found } = await this.#kept.use((app) =>
        check(app, this.#state.aiType, this.#said.output),
      );
      this.#state = { ...this.#state, ...found, checkedMs: runtime.nowMs(), lost: null };
      const waitMs = Math.min(intervalMs, lookAgainInMs);
      pauseMs = Math.max(0, waitMs - (runtime.monotonicMs() - startedMs));
    } catch (error) {
      if (!isLost(error)) {
        this.#ended ??= { error };
        return;
      }
      const sinceMs = this.#state.lost?.sinceMs ?? runtime.nowMs();
      const { message } = error;
      const toldMs = await this.#options.lost(message, startedMs, this.#said.output);
      this.#state = { ...this.#state, lost: { sinceMs, message, toldMs } };
      pauseMs = Math.min(intervalMs, LOST_PAUSE_MS);
    }
    this.#dueMs = runtime.monotonicMs() + pauseMs;
    this.#state = { ...this.#state, nextMs: runtime.nowMs() + pauseMs };
    if (this.#again) {
      this.#again = false;
      this.#checkNow();
    }
  }
}

import type { App } from '../app.ts';
import { TokenctlError } from '../budget/errors.ts';
import { openedApp, type CommandContext, type OpenOptions } from './context.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';

/** Whether the database did not answer or was not there: whoever stays waits for it. */
export function isLost(error: unknown): error is TokenctlError {
  return error instanceof TokenctlError && exitCodeOf(error.code) === EXIT.database;
}

export interface KeptAppOptions extends Pick<OpenOptions, 'create'> {
  /** false for who shows it otherwise; true by default. */
  readonly sayLost?: boolean;
}

/**
 * A database for a command that stays: opened when it is first used, and kept, as it finds its way back by
 * itself. Says on standard error once that it was lost, and once that it is back.
 */
export class KeptApp {
  readonly #context: CommandContext;
  readonly #sayLost: boolean;
  readonly #open: OpenOptions;
  #app: App | null = null;
  #lost = false;

  constructor(context: CommandContext, { sayLost = true, ...open }: KeptAppOptions = {}) {
    this.#context = context;
    this.#sayLost = sayLost;
    this.#open = open;
  }

  /** @throws what `work` throws; of a lost database (`isLost`) after it was said */
  async use<T>(work: (app: App) => Promise<T>): Promise<T> {
    try {
      this.#app ??= await openedApp(this.#context, this.#open);
      const result = await work(this.#app);
      if (this.#lost && this.#sayLost) this.#context.output.warn('the database answers again');
      this.#lost = false;
      return result;
    } catch (error) {
      if (isLost(error)) this.#sayOnce(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    const app = this.#app;
    this.#app = null;
    await app?.close();
  }

  #sayOnce(error: TokenctlError): void {
    if (!this.#lost && this.#sayLost) this.#context.output.warn(`${error.message}; waiting for it`);
    this.#lost = true;
  }
}

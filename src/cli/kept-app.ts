import type { App } from '../app.ts';
import { TokenctlError } from '../budget/errors.ts';
import { openedApp, type CommandContext } from './context.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';

/** Whether the database did not answer or was not there: whoever stays waits for it. */
export function isLost(error: unknown): error is TokenctlError {
  return error instanceof TokenctlError && exitCodeOf(error.code) === EXIT.database;
}

export interface KeptAppOptions {
  /** false for who shows it otherwise; true by default. */
  readonly sayLost?: boolean;
}

/**
 * A database for a command that stays: opened when it is used, and anew after it was lost. Says on
 * standard error once that it was lost, and once that it is back.
 */
export class KeptApp {
  readonly #context: CommandContext;
  readonly #sayLost: boolean;
  #app: App | null = null;
  #lost = false;

  constructor(context: CommandContext, { sayLost = true }: KeptAppOptions = {}) {
    this.#context = context;
    this.#sayLost = sayLost;
  }

  /** @throws what `work` throws; of a lost database (`isLost`) after it was said */
  async use<T>(work: (app: App) => Promise<T>): Promise<T> {
    try {
      this.#app ??= await openedApp(this.#context);
      const result = await work(this.#app);
      if (this.#lost && this.#sayLost) this.#context.output.warn('the database answers again');
      this.#lost = false;
      return result;
    } catch (error) {
      if (isLost(error)) await this.#lose(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    const app = this.#app;
    this.#app = null;
    await app?.close();
  }

  async #lose(error: TokenctlError): Promise<void> {
    if (!this.#lost && this.#sayLost) this.#context.output.warn(`${error.message}; waiting for it`);
    this.#lost = true;
    await this.close();
  }
}

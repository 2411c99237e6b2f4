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
 * A database for a command that stays: opened when it is first used, and kept, as it finds its way back by
 * itself. Says on standard error once that it was lost, and once that it is back.
 */
export class KeptApp {
  readonly #context: CommandContext;
  readonly #sayLost: boolean;
  #app: App | null = null;
  /** From then on a database that is missing was lost, and is not created. */
  #opened = false;
  #lost = false;

  constructor(context: CommandContext, { sayLost = true }: KeptAppOptions = {}) {
    this.#context = context;
    this.#sayLost = sayLost;
  }

  /** @throws what `work` throws; of a lost database (`isLost`) after it was said */
  async use<T>(work: (app: App) => Promise<T>): Promise<T> {
    try {
      const result = await work((this.#app ??= await this.#openAnew()));
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

  async #openAnew(): Promise<App> {
    const mayCreate = this.#context.mayCreate && !this.#opened;
    const app = await openedApp({ ...this.#context, mayCreate });
    this.#opened = true;
    return app;
  }

  #sayOnce(error: TokenctlError): void {
    if (!this.#lost && this.#sayLost) this.#context.output.warn(`${error.message}; waiting for it`);
    this.#lost = true;
  }
}

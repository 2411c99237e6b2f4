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
 * A database for a command that stays: opened when it is used, and anew after it was lost. Says on
 * standard error once that it was lost, and once that it is back.
 */
export class KeptApp {
  readonly #context: CommandContext;
  readonly #sayLost: boolean;
  readonly #open: OpenOptions;
  #app: App | null = null;
  /** The file that was opened; null on a server. */
  #file: string | null = null;
  /** From then on a database that is missing was lost, and is not created. */
  #opened = false;
  #lost = false;

  constructor(context: CommandContext, { sayLost = true, ...open }: KeptAppOptions = {}) {
    this.#context = context;
    this.#sayLost = sayLost;
    this.#open = open;
  }

  /** @throws what `work` throws; of a lost database (`isLost`) after it was said */
  async use<T>(work: (app: App) => Promise<T>): Promise<T> {
    try {
      // A file that was moved or replaced is not the ledger that others use any more.
      if (this.#app !== null && this.#app.fileIdentity() !== this.#file) await this.close();
      const result = await work(this.#app ?? (await this.#openAnew()));
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

  async #openAnew(): Promise<App> {
    const app = await openedApp(this.#context, {
      ...this.#open,
      ...(this.#opened ? { create: false } : {}),
    });
    this.#app = app;
    this.#file = app.fileIdentity();
    this.#opened = true;
    return app;
  }

  async #lose(error: TokenctlError): Promise<void> {
    if (!this.#lost && this.#sayLost) this.#context.output.warn(`${error.message}; waiting for it`);
    this.#lost = true;
    await this.close();
  }
}

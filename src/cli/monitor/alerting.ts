import type { Channel } from '../../alerts/channel.ts';
import type { FailedDelivery } from '../../alerts/deliver.ts';
import { Postman } from '../../alerts/postman.ts';
import { alertLogOf, configuredChannels, ownChannels } from '../alert-channels.ts';
import type { CommandContext } from '../context.ts';
import type { Output } from '../output.ts';
import { BlindWatch } from './blind-watch.ts';

/** Where a monitor tells its alerts, as the configuration was read last. */
export class Alerting {
  /** Tells when the ledger is away; null where that is switched off. */
  readonly blindWatch: BlindWatch | null;
  readonly #context: CommandContext;
  #alertLog: string;
  #postman: Postman;

  private constructor(
    context: CommandContext,
    alertLog: string,
    postman: Postman,
    { blind }: { readonly blind: boolean },
  ) {
    this.#context = context;
    this.blindWatch = blind ? new BlindWatch(context) : null;
    this.#alertLog = alertLog;
    this.#postman = postman;
  }

  /**
   * @param kinds.blind whether it tells that the ledger is away
   * @throws invalid_input for a channel that can't be used
   */
  static async of(context: CommandContext, kinds = { blind: true }): Promise<Alerting> {
    return new Alerting(context, await alertLogOf(context), await postmanOf(context), kinds);
  }

  /** Delivers beside the checks to the channels of the configuration. */
  get postman(): Postman {
    return this.#postman;
  }

  /** What each check tells by itself: the console, and the alert log. */
  ownChannels(output: Output): Promise<Channel[]> {
    return ownChannels(this.#alertLog, output);
  }

  /**
   * A check that began at `startedMs` (the clock that never goes back) was not answered.
   * @returns when the next one must begin at the latest, in ms after this one
   */
  async lost(reason: string, startedMs: number, output: Output): Promise<number> {
    if (this.blindWatch === null) return Infinity;
    const own = await this.ownChannels(output);
    const tellable = { own, configured: this.#postman.channels };
    return this.blindWatch.lost(reason, startedMs, tellable, output);
  }

  /** Reads the configuration again. @throws invalid_input, and nothing has changed */
  async reload(): Promise<void> {
    const alertLog = await alertLogOf(this.#context);
    const next = await postmanOf(this.#context);
    await this.#postman.stop();
    this.#alertLog = alertLog;
    this.#postman = next;
  }

  /** Until what was begun to deliver has come back: what failed. */
  async delivered(): Promise<FailedDelivery[]> {
    await this.#postman.idle();
    return this.#postman.takeFailed();
  }

  /** Waits for what is told just now, so that it is not told again. */
  async stop(): Promise<void> {
    await Promise.all([this.#postman.stop(), this.blindWatch?.stop()]);
  }
}

async function postmanOf(context: CommandContext): Promise<Postman> {
  return new Postman(await configuredChannels(context), context.runtime);
}

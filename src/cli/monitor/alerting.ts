import type { Channel } from '../../alerts/channel.ts';
import type { FailedDelivery } from '../../alerts/deliver.ts';
import { Postman } from '../../alerts/postman.ts';
import { USUAL_ALERT_KINDS, type AlertKindSettings } from '../../budget/alert-kinds.ts';
import { alertLogOf, configuredChannels, ownChannels, type AlertLog } from '../alert-channels.ts';
import { configOf, type CommandContext } from '../context.ts';
import type { Output } from '../output.ts';
import { BlindWatch } from './blind-watch.ts';

/** Where a monitor tells its alerts, as the configuration was read last. */
export class Alerting {
  /** Tells when the ledger is away. */
  readonly blindWatch: BlindWatch;
  readonly #context: CommandContext;
  #alertLog: AlertLog;
  #postman: Postman;
  #kinds: AlertKindSettings;

  private constructor(
    context: CommandContext,
    alertLog: AlertLog,
    postman: Postman,
    kinds: AlertKindSettings,
  ) {
    this.#context = context;
    this.blindWatch = new BlindWatch(context);
    this.#alertLog = alertLog;
    this.#postman = postman;
    this.#kinds = kinds;
  }

  /** @throws invalid_input for a channel or a kind of alerts that can't be used */
  static async of(context: CommandContext): Promise<Alerting> {
    const kinds = await kindsOf(context);
    return new Alerting(context, await alertLogOf(context), await postmanOf(context), kinds);
  }

  /** Delivers beside the checks to the channels of the configuration. */
  get postman(): Postman {
    return this.#postman;
  }

  /** Which kinds of alerts are raised. */
  get kinds(): AlertKindSettings {
    return this.#kinds;
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
    if (!this.#kinds.blind) return Infinity;
    const own = await this.ownChannels(output);
    const tellable = { own, configured: this.#postman.channels };
    return this.blindWatch.lost(reason, startedMs, tellable, output);
  }

  /** Reads the configuration again. @throws invalid_input, and nothing has changed */
  async reload(): Promise<void> {
    const alertLog = await alertLogOf(this.#context);
    const kinds = await kindsOf(this.#context);
    const next = await postmanOf(this.#context);
    await this.#postman.stop();
    this.#alertLog = alertLog;
    this.#postman = next;
    this.#kinds = kinds;
  }

  /** Until what was begun to deliver has come back: what failed. */
  async delivered(): Promise<FailedDelivery[]> {
    await this.#postman.idle();
    return this.#postman.takeFailed();
  }

  /** Waits for what is told just now, so that it is not told again. */
  async stop(): Promise<void> {
    await Promise.all([this.#postman.stop(), this.blindWatch.stop()]);
  }
}

async function postmanOf(context: CommandContext): Promise<Postman> {
  return new Postman(await configuredChannels(context), context.runtime);
}

async function kindsOf(context: CommandContext): Promise<AlertKindSettings> {
  const { alertKinds } = await configOf(context);
  if (alertKinds === null) return USUAL_ALERT_KINDS;
  const { parseAlertKinds } = await import('../../config/alert-kinds.ts');
  return parseAlertKinds(alertKinds);
}

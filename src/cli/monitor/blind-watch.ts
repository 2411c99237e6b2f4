import { BLIND_AFTER_MS, blindAlert, healed } from '../../alerts/blind.ts';
import { DeliveryError, type Channel } from '../../alerts/channel.ts';
import { routesOf } from '../../alerts/deliver.ts';
import type { App } from '../../app.ts';
import type { Alert } from '../../ledger/alerts.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { keepTold, type Told } from '../../ledger/told-alerts.ts';
import { pause } from '../../platform/process.ts';
import type { CommandContext } from '../context.ts';
import type { Output } from '../output.ts';

/** A channel is tried so often; the first pause is this long, in ms, and each after it twice as long. */
const MAX_TRIES = 9;
const FIRST_PAUSE_MS = 2_000;
/** What a receiver may ask for at most. */
const LONGEST_PAUSE_MS = 3_600_000;
/** What is told just now comes back soon. */
const SETTLE_MS = 1_000;

/** Whom a monitor tells, now. */
export interface Tellable {
  /** They are told whatever lasts. */
  readonly own: readonly Channel[];
  /** They are not told while a silence lasts. */
  readonly configured: readonly Channel[];
}

/** One time that the ledger was away for long enough to be told. */
interface Episode {
  readonly alert: Alert;
  /** By channel, once it was begun to tell it: null while it is under way or was given up. */
  readonly told: Map<string, Told | null>;
  readonly underWay: Map<string, Promise<void>>;
  stop: AbortController;
}

/**
 * Tells that the monitor is blind, once a channel, when the ledger has been away for a minute; and that
 * it is over when the ledger is back. Beside the checks, each channel by itself: none holds up another
 * or the monitor.
 */
export class BlindWatch {
  readonly #context: CommandContext;
  #last: { readonly report: StatusReport; readonly atMs: number } | null = null;
  /** As the ledger said last; by its clock. */
  #silentUntilMs = 0;
  /** When the first check began that was not answered, by both clocks. */
  #lost: { readonly atMs: number; readonly monotonicMs: number } | null = null;
  #episode: Episode | null = null;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /** What is told now; null while there is nothing to tell. */
  get alert(): Alert | null {
    return this.#episode?.alert ?? null;
  }

  /** What a check saw. @param silentUntilMs when the silence ends; null where none lasts */
  saw(report: StatusReport, silentUntilMs: number | null): void {
    this.#last = { report, atMs: this.#context.runtime.monotonicMs() };
    this.#silentUntilMs = silentUntilMs ?? 0;
    this.#lost = null;
  }

  /**
   * A check that began at `startedMs` (the clock that never goes back) was not answered.
   * @returns when the next one must begin at the latest, in ms after this one
   */
  lost(reason: string, startedMs: number, tellable: Tellable, output: Output): number {
    const { runtime, host } = this.#context;
    const monotonicMs = runtime.monotonicMs();
    const nowMs = runtime.nowMs();
    this.#lost ??= { atMs: nowMs - Math.round(monotonicMs - startedMs), monotonicMs: startedMs };
    const leftMs = this.#lost.monotonicMs + BLIND_AFTER_MS - monotonicMs;
    if (leftMs > 0 && this.#episode === null) {
      return this.#lost.monotonicMs + BLIND_AFTER_MS - startedMs;
    }
    const last = this.#last;
    this.#episode ??= {
      alert: blindAlert({
        ...{ id: runtime.newId(), nowMs, lostAtMs: this.#lost.atMs, reason, who: host.actor },
        last: last === null ? null : { report: last.report, ageMs: monotonicMs - last.atMs },
      }),
      ...{ told: new Map(), underWay: new Map(), stop: new AbortController() },
    };
    this.#tell(this.#episode, tellable, output);
    return BLIND_AFTER_MS;
  }

  /**
   * The ledger has answered: keeps what was told, and lets the same channels be told that it is over.
   * @returns when the next check must begin at the latest, in ms; Infinity leaves it to the interval
   * @throws ledger_unavailable, and it is not over
   */
  async answered(app: App, report: StatusReport, channels: readonly Channel[]): Promise<number> {
    const episode = this.#episode;
    if (episode === null) return Infinity;
    episode.stop.abort();
    // Whether what is under way was told is known soon.
    if (episode.underWay.size > 0) return SETTLE_MS;
    const told = [...episode.told.values()].filter((each) => each !== null);
    await app.ledger.write(function* (ops) {
      const over = healed(episode.alert, report, ops.nowMs);
      const toTell = routesOf(channels)(over, 'resolved');
      const began = new Set(told.map(({ channel }) => channel));
      const tellEnd = toTell.filter((name) => began.has(name));
      yield* keepTold(ops, over, told, tellEnd);
    });
    this.#episode = null;
    return 0;
  }

  /** Starts nothing any more, and waits for what is told just now. */
  async stop(): Promise<void> {
    this.#episode?.stop.abort();
    if (this.#episode !== null) await Promise.all(this.#episode.underWay.values());
  }

  /** Begins with every channel that was not begun with yet; also with those that a reload has brought. */
  #tell(episode: Episode, { own, configured }: Tellable, output: Output): void {
    if (episode.stop.signal.aborted) episode.stop = new AbortController();
    const silent = this.#context.runtime.nowMs() < this.#silentUntilMs;
    const channels = silent ? own : [...own, ...configured];
    const names = routesOf(channels)(episode.alert, 'raised');
    for (const channel of channels) {
      const { name } = channel;
      if (!names.includes(name) || episode.told.has(name)) continue;
      episode.told.set(name, null);
      const round = this.#tellOne(episode, channel, output).finally(() =>
        episode.underWay.delete(name),
      );
      episode.underWay.set(name, round);
    }
  }

  async #tellOne(episode: Episode, channel: Channel, output: Output): Promise<void> {
    const { name } = channel;
    const { signal } = episode.stop;
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      try {
        await channel.send(episode.alert, 'raised');
        episode.told.set(name, { channel: name, tries, atMs: this.#context.runtime.nowMs() });
        return;
      } catch (error) {
        const { final, retryAfterMs } =
          error instanceof DeliveryError ? error : new DeliveryError('');
        const last = final || tries === MAX_TRIES;
        const next = last ? 'it is given up' : 'it is tried again';
        const reason = error instanceof Error ? error.message : String(error);
        output.warn(
          `that the ledger can't be reached could not be told by the channel ${name}: ${reason}; ${next}`,
        );
        if (last) return;
        const asked = Math.min(retryAfterMs ?? 0, LONGEST_PAUSE_MS);
        await pause(Math.max(FIRST_PAUSE_MS * 2 ** (tries - 1), asked), signal);
      }
      if (signal.aborted) {
        // If the ledger is lost again before this is over, it is begun with again.
        episode.told.delete(name);
        return;
      }
    }
  }
}

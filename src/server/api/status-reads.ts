import type { App } from '../../app.ts';
import type { Limits } from '../../budget/limits.ts';
import { statusReport, type StatusReport } from '../../ledger/status.ts';
import type { SharedReads } from './shared-reads.ts';

/** The ledger at one instant. */
export interface Seen {
  readonly report: StatusReport;
  readonly limits: Limits;
}

/**
 * Reads the ledger's status once for all who need it meanwhile, by whatever path they ask. An answer that is
 * shared itself may so wait for two reads before its own.
 */
export class StatusReads {
  readonly #app: App;
  readonly #shared: SharedReads;

  constructor(app: App, shared: SharedReads) {
    this.#app = app;
    this.#shared = shared;
  }

  /** @throws ledger_unavailable */
  read(): Promise<Seen> {
    return this.#shared.share('status', async () => {
      const snapshot = await this.#app.ledger.snapshot();
      return {
        report: statusReport(snapshot, this.#app.location),
        limits: snapshot.limits.limits,
      };
    });
  }
}

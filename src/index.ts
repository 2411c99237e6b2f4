import type { App } from './app.ts';
import { openApp } from './app.ts';
import { TokenctlError, type ErrorCode } from './budget/errors.ts';
import { parseEstimatorName, type EstimatorName } from './budget/estimate.ts';
import { settingsFromEnvironment } from './budget/environment-limits.ts';
import { requireCount } from './budget/tokens.ts';
import type { Estimate, Reason, ReasonCode, Reservation, Verdict } from './budget/verdict.ts';
import { parseDatabase, resolveDatabase } from './config/database.ts';
import { loadConfig } from './config/file.ts';
import { Guard, type SettleUsage } from './guard/guard.ts';
import type { EstimateInput, ReserveRequest, Usage } from './guard/input.ts';
import { BudgetDeniedError, runGuarded, type Called } from './guard/run.ts';
import type { Ending } from './ledger/commands.ts';
import type { KeyedReservation } from './ledger/keys.ts';
import type { StatusReport } from './ledger/status.ts';
import { readTextFile } from './platform/files.ts';
import { systemHost } from './platform/process.ts';
import { warnProcess } from './platform/warning.ts';
import { systemRuntime } from './platform/runtime.ts';

/** The library's face: `const tokenctl = await openTokenctl()`. */

export interface TokenctlConfig {
  /** How prompts are estimated: `words` (default), `calibrated`, or `bytes`, a true upper bound for text. */
  readonly estimator?: EstimatorName;
  /** What a token read from the prompt cache counts, in percent of a token: 0 to 100, default 100. */
  readonly cacheReadPercent?: number;
  /** How long a call may wait for the ledger before it is denied, in ms: 10 to 60,000, default 5,000. */
  readonly timeoutMs?: number;
}

export interface OpenOptions {
  /** `file:PATH` or `postgresql://…`; when absent TOKENCTL_DATABASE_URL, DATABASE_URL, the config file, then the user's own SQLite file. */
  readonly databaseUrl?: string;
  /** Creates the named SQLite file when it is missing. PostgreSQL is created by `tokenctl db migrate` only. */
  readonly create?: boolean;
  readonly config?: TokenctlConfig;
}

/** A budget that every call passes. All methods may be called concurrently, from any number of processes. */
export interface Tokenctl {
  /**
   * Admits a call and holds its estimate against every limit at once, or denies it with every reason.
   * Durable when it resolves. A ledger that can't be reached denies: it fails closed.
   * @throws TokenctlError invalid_input, key_reused, reservation_ended
   */
  reserve(request: ReserveRequest): Promise<Verdict>;
  /**
   * Replaces the hold by what the call used, or by the hold itself when that is unknown. Idempotent.
   * @throws TokenctlError invalid_input, reservation_not_found, ledger_unavailable, ledger_busy
   */
  settle(reservationId: string, usage: SettleUsage): Promise<Ending>;
  /**
   * Drops the hold: the provider charged nothing. Idempotent.
   * @throws TokenctlError reservation_not_found, reservation_ended, ledger_unavailable, ledger_busy
   */
  release(reservationId: string, details?: { readonly error?: unknown }): Promise<Ending>;
  /**
   * Reserves, calls, and ends the reservation on every path. Returns the call's value.
   * @throws BudgetDeniedError with `.verdict`, and whatever the call throws
   */
  run<T>(
    request: ReserveRequest,
    call: (reservation: Reservation) => Promise<Called<T>>,
  ): Promise<T>;
  /**
   * Gives an admitted reservation a key, such as the id that the provider gave a batch: any process
   * finds it again by that.
   * @throws TokenctlError invalid_input, reservation_not_found, key_reused, ledger_unavailable
   */
  giveKey(reservationId: string, key: string): Promise<void>;
  /** The reservation with this key; null where there is none. @throws TokenctlError invalid_input, ledger_unavailable */
  findByKey(key: string): Promise<KeyedReservation | null>;
  /** The verdict that a reserve would get now; reserves nothing. @throws TokenctlError invalid_input */
  check(request: Pick<ReserveRequest, 'aiType' | 'estimate' | 'model'>): Promise<Verdict>;
  /** What `tokenctl status --json` prints. @throws TokenctlError ledger_unavailable */
  status(request?: { readonly month?: string; readonly aiType?: string }): Promise<StatusReport>;
  /** Answers what is queued, then lets go of the database. */
  close(): Promise<void>;
}

/**
 * Opens the budget. Creates the default SQLite file, or the named one with `create: true`; brings an
 * SQLite file up to date; never migrates PostgreSQL.
 * @throws TokenctlError invalid_input, database_missing, database_not_migrated, database_newer,
 *   database_unusable, ledger_unavailable
 */
export async function openTokenctl(options: OpenOptions = {}): Promise<Tokenctl> {
  const { config = {}, create } = options;
  const host = systemHost();
  const runtime = systemRuntime;
  const file = await loadConfig({
    directory: host.directory,
    userDirectory: host.configDirectory,
    systemDirectory: host.systemConfigDirectory,
  });
  const estimator = parseEstimatorName(
    config.estimator ?? file.estimator ?? 'words',
    'config.estimator',
  );
  const cacheReadPercent = requireCount(
    'config.cacheReadPercent',
    config.cacheReadPercent ?? 100,
    0,
    100,
  );
  const timeoutMs = requireCount('config.timeoutMs', config.timeoutMs ?? 5_000, 10, 60_000);
  const app: App = await openApp({
    target:
      options.databaseUrl === undefined
        ? resolveDatabase({ ...host, config: file.database, readSecret: readTextFile })
        : parseDatabase(options.databaseUrl, 'databaseUrl', 'option', host.directory),
    runtime,
    // The default file is created whatever is asked for.
    ...(create === true ? { create } : {}),
    timeoutMs,
    firstSettings: settingsFromEnvironment(host.environment),
  });
  try {
    await app.limits();
  } catch (error) {
    await app.close();
    throw error;
  }
  const guard = new Guard(app.ledger, runtime, { estimator, cacheReadPercent, requestType: 'sdk' });
  return {
    reserve: (request) => guard.reserve(request),
    settle: (reservationId, usage) => guard.settle(reservationId, usage),
    release: (reservationId, details) => guard.release(reservationId, details),
    giveKey: (reservationId, key) => guard.giveKey(reservationId, key),
    findByKey: (key) => guard.findByKey(key),
    run: (request, call) => runGuarded(guard, request, call, warnProcess),
    check: (request) => guard.check(request),
    status: (request) => app.status(request),
    close: () => app.close(),
  };
}

export { BudgetDeniedError, TokenctlError };
export type {
  Called,
  Ending,
  ErrorCode,
  Estimate,
  EstimateInput,
  EstimatorName,
  Reason,
  ReasonCode,
  Reservation,
  ReserveRequest,
  SettleUsage,
  StatusReport,
  Usage,
  Verdict,
};

import type { Channel } from './alerts/channel.ts';
import type { Postman } from './alerts/postman.ts';
import type { Watched } from './alerts/watch.ts';
import { USUAL_ALERT_KINDS, type AlertKindSettings } from './budget/alert-kinds.ts';
import type { Scope } from './budget/access-token.ts';
import type { AdmissionRequest } from './budget/decide.ts';
import { invalidInput } from './budget/errors.ts';
import { resolveLimits, type Settings } from './budget/limits.ts';
import type { UsageQuery } from './budget/usage-query.ts';
import type { Verdict } from './budget/verdict.ts';
import { isoTime, type IsoTime } from './budget/windows.ts';
import type { DatabaseTarget } from './config/database.ts';
import type { AccessToken } from './ledger/access-tokens.ts';
import type {
  AlertsQuery,
  AlertsReport,
  CaredAlert,
  DeliveryRow,
  SilenceRequest,
} from './ledger/alert-care.ts';
import { readCare, type AlertCare, type Silence } from './ledger/alert-status.ts';
import type { ImportRow } from './ledger/import.ts';
import { Ledger } from './ledger/ledger.ts';
import type { LimitEffect } from './ledger/limit-effect.ts';
import { limitsReader, type LimitsInForce } from './ledger/limits-in-force.ts';
import type { FoundRequest, LogQuery } from './ledger/log.ts';
import type { LogEntry } from './ledger/port.ts';
import type { PrunePlan } from './ledger/prune.ts';
import type { Pulse } from './ledger/pulse.ts';
import type { ResetRequest, ResetResult, UndoRequest } from './ledger/resets.ts';
import type { MigrationReport } from './ledger/schema/report.ts';
import type { SchemaState } from './ledger/schema/state.ts';
import { statusReport, type StatusReport } from './ledger/status.ts';
import { step } from './ledger/steps.ts';
import type { UsageReport } from './ledger/usage.ts';
import type { Difference } from './ledger/verify.ts';
import { makeDirectoryOf } from './platform/directories.ts';
import { openConnection, type OpenOptions } from './opening.ts';
import type { Runtime } from './platform/runtime.ts';
import type { Store } from './store/client.ts';
import type { LimitRevision } from './store/limit-revisions.ts';
import type { PastReset } from './store/resets.ts';

/** Puts the parts together: everything that the command line, the library and the server can do. */

/** What one check of a monitor found, as `status` reports it, and the alerts that are open. */
export type MonitorCheck = Omit<Watched, 'snapshot'> & { readonly report: StatusReport };

/** A past month, 'YYYY-MM', and one AI type; the current month and all AI types where they are left out. */
export interface StatusRequest {
  readonly month?: string;
  readonly aiType?: string;
}

/** Who changes something, and why. */
export interface ChangeNote {
  readonly source: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly dryRun?: boolean;
}

export interface LimitsChange {
  readonly before: LimitsInForce;
  /** With the new revision, or with the old one where nothing was written. */
  readonly after: LimitsInForce;
  /** What it changes now; null where the settings stay as they are. */
  readonly effect: LimitEffect | null;
}

/** A token to be made. */
export interface TokenRequest {
  /** What it is for. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The AI types that it may spend for; null is any. */
  readonly aiTypes: readonly string[] | null;
  /** Null is never. */
  readonly expiresAtMs: number | null;
  /** Who makes it. */
  readonly actor: string | null;
}

export interface CreatedToken {
  /** The token itself, which nobody can show again. */
  readonly secret: string;
  readonly token: AccessToken;
}

/**
 * Opens the ledger. SQLite is checked at once, PostgreSQL when it is first used.
 * @throws database_missing, database_not_migrated, database_newer, database_unusable
 */
export async function openApp(options: OpenOptions): Promise<App> {
  const { target, runtime, timeoutMs } = options;
  const { connection, created } = await openConnection(options);
  const ledger = new Ledger({
    connection,
    runtime,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return new App(target, ledger, runtime, created);
}

export class App {
  readonly created: boolean;
  readonly ledger: Ledger;
  readonly #target: DatabaseTarget;
  readonly #runtime: Runtime;

  constructor(target: DatabaseTarget, ledger: Ledger, runtime: Runtime, created: boolean) {
    this.#target = target;
    this.#runtime = runtime;
    this.ledger = ledger;
    this.created = created;
  }

  /** Where the database is, without its password. */
  get location(): string {
    return this.#target.location;
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  /** The ledger at this instant. @throws ledger_unavailable */
  async status(request: StatusRequest = {}): Promise<StatusReport> {
    const snapshot = await this.ledger.snapshot(request);
    return statusReport(snapshot, this.location, request.aiType ?? null);
  }

  /**
   * One check of a monitor: charges due holds, raises and resolves alerts, and delivers what waits in
   * the outbox to these channels, and beside it to the postman's; null only looks.
   * @param kinds which alerts are raised
   * @throws ledger_unavailable
   */
  async watch(
    channels: readonly Channel[] | null,
    postman: Postman | null = null,
    kinds: AlertKindSettings = USUAL_ALERT_KINDS,
  ): Promise<MonitorCheck> {
    if (channels === null) {
      return { report: await this.status(), open: [], lookAgainAtMs: null, failed: [] };
    }
    const { watchLedger } = await import('./alerts/watch.ts');
    const { snapshot, ...rest } = await watchLedger(
      this.ledger,
      channels,
      this.#runtime,
      postman,
      kinds,
    );
    return { report: statusReport(snapshot, this.location), ...rest };
  }

  /** The status with the last hours and denials, at this instant; null is all AI types. @throws ledger_unavailable */
  async pulse(aiType: string | null): Promise<Pulse> {
    const { readPulse } = await import('./ledger/pulse.ts');
    return readPulse(this.ledger, this.location, aiType);
  }

  /**
   * What was used in a period, grouped, from the hourly rollups: `usage(usageQuery(request, nowMs, '--'))`.
   * @throws ledger_unavailable; invalid_input for more than 10,000 rows without a limit
   */
  async usage(query: UsageQuery): Promise<UsageReport> {
    const { readUsage } = await import('./ledger/usage.ts');
    return readUsage(this.ledger, query);
  }

  /** A dry admission; a lost ledger denies. */
  check(request: AdmissionRequest): Promise<Verdict> {
    return this.ledger.check(request);
  }

  /** The newest requests that match, the newest last. @throws ledger_unavailable */
  async log(query: LogQuery): Promise<LogEntry[]> {
    const { readLog } = await import('./ledger/log.ts');
    return readLog(this.ledger, query);
  }

  /** The newest denials, the newest first. @throws ledger_unavailable */
  async denials(limit: number): Promise<readonly LogEntry[]> {
    const { readDenials } = await import('./ledger/log.ts');
    return readDenials(this.ledger, limit);
  }

  /** The request with this row or reservation id, request id or idempotency key. @throws ledger_unavailable */
  async findRequest(name: string): Promise<FoundRequest | null> {
    const { findRequest } = await import('./ledger/log.ts');
    return findRequest(this.ledger, name);
  }

  /** The limits in force now. @throws ledger_unavailable */
  limits(): Promise<LimitsInForce> {
    const read = limitsReader();
    return this.ledger.read(function* (ops) {
      return read(yield* step(ops.newestRevision()));
    });
  }

  /**
   * Changes the limits by a new revision, unless nothing would change.
   * @param aiType whose own rules the effect shows beside the global ones
   * @throws invalid_input; limits_changed when someone else's change came between reading and writing
   */
  async changeLimits(
    change: (settings: Settings) => Settings | Promise<Settings>,
    note: ChangeNote,
    aiType: string | null = null,
  ): Promise<LimitsChange> {
    const before = await this.limits();
    const settings = await change(before.settings);
    const changed = canonical(settings) !== canonical(before.settings);
    const after = { revision: before.revision, settings, ...resolveLimits(settings) };
    if (!changed) return { before, after, effect: null };
    const { readLimitEffect } = await import('./ledger/limit-effect.ts');
    const effect = await this.ledger.read((ops) => readLimitEffect(ops, { before, after }, aiType));
    if (note.dryRun === true) return { before, after, effect };
    const { appendRevision } = await import('./store/limit-revisions.ts');
    const revision = await this.#withStore((store) =>
      appendRevision(store, {
        after: before.revision,
        settings,
        source: note.source,
        actor: note.actor,
        reason: note.reason,
        atMs: this.#runtime.nowMs(),
      }),
    );
    return { before, after: { ...after, revision }, effect };
  }

  /** One revision of the limits. @throws invalid_input where there is none */
  async limitRevision(revision: number): Promise<LimitRevision> {
    await this.limits();
    const { findRevision } = await import('./store/limit-revisions.ts');
    const found = await this.#withStore((store) => findRevision(store, revision));
    if (found !== null) return found;
    throw invalidInput(
      'REV',
      `there is no revision ${String(revision)}`,
      'tokenctl limits history',
    );
  }

  /** Every change of limits, the newest first. */
  async limitHistory(): Promise<LimitRevision[]> {
    await this.limits();
    const { listRevisions } = await import('./store/limit-revisions.ts');
    return this.#withStore(listRevisions);
  }

  /** Lowers usage by an adjustment. @throws invalid_input, ledger_unavailable */
  async reset(request: ResetRequest): Promise<ResetResult> {
    if ((request.toTokens ?? 0) > 0 && request.aiTypes.length !== 1) {
      throw invalidInput('--to', 'needs exactly one --ai-type');
    }
    const { resetUsage } = await import('./ledger/resets.ts');
    return this.ledger.write((ops) => resetUsage(ops, request));
  }

  /** Takes a reset back. @throws reset_not_found, reset_undone */
  async undoReset(id: number, note: Omit<UndoRequest, 'id'>): Promise<ResetResult> {
    const { undoReset } = await import('./ledger/resets.ts');
    return this.ledger.write((ops) => undoReset(ops, { ...note, id }));
  }

  /** The newest resets first. */
  async resets(): Promise<PastReset[]> {
    await this.limits();
    const { listResets } = await import('./store/resets.ts');
    return this.#withStore((store) => listResets(store));
  }

  /** Makes an access token, of which the database keeps the hash. */
  async createToken({ actor, ...request }: TokenRequest): Promise<CreatedToken> {
    const { newToken, tokenHash, tokenPrefix } = await import('./platform/secret.ts');
    const { insertToken } = await import('./ledger/access-tokens.ts');
    const secret = newToken();
    const id = this.#runtime.newId();
    const kept = { hash: tokenHash(secret), prefix: tokenPrefix(secret), createdBy: actor };
    const token = await this.ledger.write((ops) => insertToken(ops, { id, ...kept, ...request }));
    return { secret, token };
  }

  /** The newest alerts with their deliveries, and the silence that lasts. @throws ledger_unavailable */
  async alerts(query: Partial<AlertsQuery> = {}): Promise<AlertsReport> {
    const { readAlerts } = await import('./ledger/alert-care.ts');
    return this.ledger.read((ops) => readAlerts(ops, query));
  }

  /** What is raised now, who takes care of it, and the silence that lasts. @throws ledger_unavailable */
  async alertCare(): Promise<AlertCare> {
    return this.ledger.read(readCare);
  }

  /** Says that someone takes care of an alert: what waits of it is dropped. @throws alert_not_found */
  async ackAlert(named: string, actor: string | null): Promise<CaredAlert> {
    const { ackAlert } = await import('./ledger/alert-care.ts');
    return this.ledger.write((ops) => ackAlert(ops, named, actor));
  }

  /** Lets dead deliveries be tried again, of one alert or of all; those that it let. @throws alert_not_found */
  async retryDeliveries(named: string | null): Promise<DeliveryRow[]> {
    const { retryDeliveries } = await import('./ledger/alert-care.ts');
    return this.ledger.write((ops) => retryDeliveries(ops, named));
  }

  /** Holds back what goes to the configuration's channels, in place of a silence before. */
  async silenceAlerts(silence: Omit<SilenceRequest, 'id'>): Promise<Silence> {
    const { silenceAlerts } = await import('./ledger/alert-care.ts');
    const id = this.#runtime.newId();
    return this.ledger.write((ops) => silenceAlerts(ops, { ...silence, id }));
  }

  /** Ends the silence; null where there was none. */
  async endSilence(): Promise<Silence | null> {
    const { endSilence } = await import('./ledger/alert-care.ts');
    return this.ledger.write(endSilence);
  }

  /** Every access token, the newest first. */
  async tokens(): Promise<AccessToken[]> {
    const { listTokens } = await import('./ledger/access-tokens.ts');
    return this.ledger.read(listTokens);
  }

  /**
   * Ends the one token with this id, prefix or name. With `dryRun` it only finds it.
   * @throws token_not_found, token_revoked; invalid_input where several bear the name
   */
  async revokeToken(named: string, options: { readonly dryRun: boolean }): Promise<AccessToken> {
    const { revokeToken } = await import('./ledger/access-tokens.ts');
    return this.ledger.write((ops) => revokeToken(ops, named, options));
  }

  /** Windows whose count is not the sum of their rows and adjustments; empty when all is well. */
  async verify({ repair }: { repair: boolean }): Promise<Difference[]> {
    const { verifyCounts } = await import('./ledger/verify.ts');
    return repair
      ? this.ledger.write((ops) => verifyCounts(ops, true))
      : this.ledger.read((ops) => verifyCounts(ops, false));
  }

  /** Adds a usage log's rows that are not known yet. */
  async importRows(
    rows: readonly ImportRow[],
    onProgress: (done: number) => void,
  ): Promise<{ added: number; known: number }> {
    const { importRows } = await import('./ledger/import.ts');
    return importRows(this.ledger, rows, () => this.#runtime.newId(), onProgress);
  }

  /** What a prune would delete: the log rows of the months before `before`, 'YYYY-MM'. @throws invalid_input */
  async planPrune(before: string): Promise<PrunePlan> {
    const { planPrune } = await import('./ledger/prune.ts');
    return planPrune(this.ledger, before);
  }

  /** Deletes them, and keeps what they count for; how many it deleted. */
  async prune(
    before: string,
    actor: string | null,
    onProgress: (deleted: number) => void,
  ): Promise<number> {
    const { pruneLogs } = await import('./ledger/prune.ts');
    return pruneLogs(this.ledger, before, actor, this.#runtime, onProgress);
  }

  close(): Promise<void> {
    return this.ledger.close();
  }

  async #withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const { withStore } = await import('./store/client.ts');
    return withStore(this.#target, work);
  }
}

/** Settings as one text, whatever the order in which they were set. */
function canonical(settings: Settings): string {
  const sorted = (record: object): object =>
    Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const aiTypes = Object.entries(settings.aiTypes).map(
    ([name, own]) => [name, sorted(own)] as const,
  );
  return JSON.stringify([sorted(settings.global), sorted(Object.fromEntries(aiTypes))]);
}

export interface MigrateOptions {
  readonly target: DatabaseTarget;
  readonly runtime: Runtime;
  readonly dryRun: boolean;
  readonly firstSettings: Settings | null;
}

/** Creates, migrates or adopts a database; `dryRun` shows what it would do. */
export async function migrateDatabase(options: MigrateOptions): Promise<MigrationReport> {
  const { target, runtime, dryRun, firstSettings } = options;
  if (target.kind === 'postgresql') {
    const { migratePostgres } = await import('./ledger/schema/postgres.ts');
    return migratePostgres({ url: target.url, runtime, dryRun, firstSettings });
  }
  const { migrateSqlite } = await import('./ledger/schema/sqlite.ts');
  if (!dryRun) makeDirectoryOf(target.url);
  return migrateSqlite({ path: target.url, runtime, dryRun, firstSettings });
}

/** Where and what a database is. */
export interface DatabaseInfo {
  readonly kind: DatabaseTarget['kind'];
  readonly location: string;
  readonly source: DatabaseTarget['source'];
  readonly state: SchemaState;
  /** Such as 'SQLite 3.50.4' or 'PostgreSQL 18.4'; null when it could not be asked. */
  readonly server: string | null;
  readonly migrations: {
    readonly applied: readonly string[];
    readonly pending: readonly string[];
    readonly unknown: readonly string[];
  };
  /** Since when it counts. */
  readonly since: IsoTime | null;
  readonly sizeBytes: number | null;
  readonly logRows: number | null;
  readonly limitsRevision: number | null;
}

/** Looks at a database as it is; creates and changes nothing. @throws database_unusable, ledger_unavailable */
export async function databaseInfo(target: DatabaseTarget): Promise<DatabaseInfo> {
  const { kind, location, source } = target;
  const about =
    kind === 'sqlite'
      ? (await import('./ledger/schema/sqlite-state.ts')).sqliteInfo(target.url)
      : await (await import('./ledger/schema/postgres-state.ts')).postgresInfo(target.url);
  const { schema, sinceMs, ...rest } = about;
  const { state, applied, pending, unknown } = schema;
  return {
    kind,
    location,
    source,
    state,
    migrations: { applied, pending, unknown },
    since: sinceMs === null ? null : isoTime(sinceMs),
    ...rest,
  };
}

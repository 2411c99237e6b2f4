import type {
  AlertsDocument,
  CaredAlertDocument,
  RetryDocument,
  SilenceDocument,
} from '../alerts/care-documents.ts';
import type { DatabaseInfo } from '../app.ts';
import type { ErrorCode } from '../budget/errors.ts';
import type { Finding } from '../budget/finding.ts';
import type { Verdict } from '../budget/verdict.ts';
import type { LimitsFile } from '../config/limits-file.ts';
import type { LimitsChangeDocument, LimitsDocument } from '../ledger/limits-documents.ts';
import type { ResetChange } from '../ledger/resets.ts';
import type { MigrationReport } from '../ledger/schema/report.ts';
import type { StatusReport } from '../ledger/status.ts';
import type { UsageReport } from '../ledger/usage.ts';
import type { Difference } from '../ledger/verify.ts';
import type { LimitRevision } from '../store/limit-revisions.ts';
import type { PastReset } from '../store/resets.ts';
import type { Check } from './doctor/check.ts';
import type { GatewayDocument } from './views/gateway.ts';
import type { ChannelTest } from './views/alerts.ts';
import type { ImportSummary } from './views/import.ts';
import type { RequestDocument } from './views/log.ts';
import type { MonitorLine } from './views/monitor.ts';
import type { Pruned } from './views/prune.ts';
import type { ServeDocument } from './views/serve.ts';
import type { ServiceChange, ServiceState } from './views/service.ts';
import type {
  CreatedTokenDocument,
  RevokedTokenDocument,
  TokenListDocument,
} from './views/token.ts';

/**
 * What `--json` prints. schemas/NAME.json is made of the member NAME, its types and their comments
 * (`npm run generate`). Every number is a whole one, unless it is a `Percent`.
 */
export interface Documents {
  /** `status` */
  readonly status: StatusReport;
  /** `check` */
  readonly verdict: Verdict;
  /** `wait`: the last verdict, or with `--below` the last status. */
  readonly wait: Verdict | StatusReport;
  /** `usage` */
  readonly usage: UsageReport;
  /** `log` */
  readonly log: LogDocument;
  /** A line of `log --follow`: one request. */
  readonly 'log-line': RequestDocument;
  /** `explain` */
  readonly explain: ExplainDocument;
  /** `limits` */
  readonly limits: LimitsDocument;
  /** `limits set`, `unset`, `apply` and `rollback` */
  readonly 'limits-change': LimitsChangeDocument;
  /** `limits export`: a limits file, which has only what is set. */
  readonly 'limits-export': LimitsFile;
  /** `limits lint` */
  readonly 'limits-lint': LimitsLintDocument;
  /** `limits history` */
  readonly 'limits-history': LimitsHistoryDocument;
  /** `reset` and `reset --undo` */
  readonly reset: ResetDocument;
  /** `reset --list` */
  readonly resets: ResetsDocument;
  /** `import` */
  readonly import: ImportSummary;
  /** A line of `monitor`: one check. */
  readonly 'monitor-line': MonitorLine;
  /** `serve`, once it listens. */
  readonly serve: ServeDocument;
  /** `gateway`, once it listens. */
  readonly gateway: GatewayDocument;
  /** `service install` and `service uninstall` */
  readonly 'service-change': ServiceChange;
  /** `service status` */
  readonly 'service-status': ServiceState;
  /** `alerts` and `alerts list` */
  readonly alerts: AlertsDocument;
  /** `alerts test` */
  readonly 'alerts-test': ChannelTestsDocument;
  /** `alerts retry` */
  readonly 'alerts-retry': RetryDocument;
  /** `alerts ack` */
  readonly 'alerts-ack': CaredAlertDocument;
  /** `alerts silence` */
  readonly 'alerts-silence': SilenceDocument;
  /** `token create` */
  readonly 'token-create': CreatedTokenDocument;
  /** `token list` */
  readonly tokens: TokenListDocument;
  /** `token revoke` */
  readonly 'token-revoke': RevokedTokenDocument;
  /** `db migrate` */
  readonly 'db-migrate': MigrateDocument;
  /** `db verify` */
  readonly 'db-verify': VerifyDocument;
  /** `db info` */
  readonly 'db-info': DatabaseInfo;
  /** `db backup` */
  readonly 'db-backup': BackupDocument;
  /** `db prune` */
  readonly 'db-prune': Pruned;
  /** `doctor` */
  readonly doctor: DoctorDocument;
  /** `completion` */
  readonly completion: CompletionDocument;
  /** `help TOPIC` */
  readonly 'help-topic': HelpTopicDocument;
  /** A failure of any command that has no document of its own for it. */
  readonly error: ErrorDocument;
}

export interface LogDocument {
  /** The newest last. */
  readonly requests: readonly RequestDocument[];
}

export interface ExplainDocument {
  readonly request: RequestDocument;
  /** How many requests bear the name; this is the newest. */
  readonly count: number;
  /** A denial's, as it was; null for what was not denied. */
  readonly verdict: Verdict | null;
  /** What a check of the same request says now; null for what was not denied. */
  readonly now: Verdict | null;
}

export interface LimitsLintDocument {
  readonly revision: number;
  /** Problems and notes. */
  readonly findings: readonly Finding[];
}

export interface LimitsHistoryDocument {
  /** The newest first. */
  readonly revisions: readonly LimitRevision[];
}

export interface ResetDocument {
  /** What `reset --undo` takes; null for a dry run, or where there was nothing to change. */
  readonly id: number | null;
  readonly dryRun: boolean;
  readonly changes: readonly ResetChange[];
}

export interface ResetsDocument {
  /** The newest first. */
  readonly resets: readonly PastReset[];
}

export interface MigrateDocument extends MigrationReport {
  /** The database's path, or its URL without the password. */
  readonly location: string;
}

export interface VerifyDocument {
  /** Every window was what its rows and adjustments add up to. */
  readonly clean: boolean;
  /** The differences were mended (`--repair`). */
  readonly repaired: boolean;
  readonly differences: readonly Difference[];
}

export interface BackupDocument {
  /** The copy. */
  readonly file: string;
  readonly kind: DatabaseInfo['kind'];
  /** What was copied: the path, or the URL without its password. */
  readonly location: string;
  readonly sizeBytes: number;
  /** How long it took. */
  readonly ms: number;
}

export interface DoctorDocument {
  readonly checks: readonly Check[];
  /** How many of the checks found a problem. */
  readonly problems: number;
}

interface ChannelTestsDocument {
  readonly channels: readonly ChannelTest[];
}

export interface CompletionDocument {
  /** bash, zsh or fish */
  readonly shell: string;
  /** What the shell must source. */
  readonly script: string;
}

export interface HelpTopicDocument {
  /** As in `tokenctl help`. */
  readonly topic: string;
  readonly text: string;
}

export interface ErrorDocument {
  readonly error: {
    readonly code: ErrorCode | 'unexpected';
    readonly message: string;
    /** The input that was wrong, in the caller's own spelling; null where it was none. */
    readonly field: string | null;
    /** The next thing to do; null where there is none to name. */
    readonly fix: string | null;
  };
}

import type { ErrorCode } from '../budget/errors.ts';
import type { Level } from '../budget/levels.ts';

/** What a script may rely on; the same table is in `tokenctl help`. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** `check` denied; `wait` timed out; `limits lint` or `db verify` found problems. */
  found: 3,
  /** The database is unreachable, missing, not migrated, or newer than this tokenctl. */
  database: 4,
  notConfirmed: 5,
  interrupted: 130,
} as const;

/** In a word or two; `tokenctl help exit-codes` says more. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed: 'failed',
  usage: 'wrong usage',
  found: 'denied or problems found',
  database: 'no usable database',
  notConfirmed: 'not confirmed',
  interrupted: 'interrupted',
};

const EXIT_OF_ERROR: Readonly<Record<ErrorCode, number>> = {
  invalid_input: EXIT.usage,
  reservation_not_found: EXIT.failed,
  reservation_ended: EXIT.failed,
  key_reused: EXIT.failed,
  limits_changed: EXIT.failed,
  request_not_found: EXIT.failed,
  reset_not_found: EXIT.failed,
  reset_undone: EXIT.failed,
  token_not_found: EXIT.failed,
  token_revoked: EXIT.failed,
  alert_not_found: EXIT.failed,
  backup_failed: EXIT.failed,
  output_failed: EXIT.failed,
  ledger_unavailable: EXIT.database,
  ledger_busy: EXIT.database,
  database_missing: EXIT.database,
  database_not_migrated: EXIT.database,
  database_newer: EXIT.database,
  database_unusable: EXIT.database,
  not_confirmed: EXIT.notConfirmed,
  interrupted: EXIT.interrupted,
};

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_OF_ERROR[code];
}

/** The error codes that end in an exit code. */
export function errorCodesOf(exitCode: number): string[] {
  return Object.entries(EXIT_OF_ERROR).flatMap(([code, exit]) => (exit === exitCode ? [code] : []));
}

/** `status --exit-code` */
export const EXIT_OF_LEVEL: Readonly<Record<Level, number>> = {
  ok: 0,
  warning: 10,
  critical: 20,
  emergency: 30,
};

/** `status --nagios`: the plugin convention. */
export const NAGIOS_OF_LEVEL: Readonly<Record<Level, number>> = {
  ok: 0,
  warning: 1,
  critical: 2,
  emergency: 2,
};
export const NAGIOS_UNKNOWN = 3;

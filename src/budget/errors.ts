/** Every way in which tokenctl refuses or fails, by the code that JSON, HTTP and exit codes use. */
export type ErrorCode =
  | 'invalid_input'
  | 'reservation_not_found'
  | 'reservation_ended'
  | 'key_reused'
  | 'ledger_unavailable'
  | 'ledger_busy'
  | 'database_missing'
  | 'database_not_migrated'
  | 'database_newer'
  | 'database_unusable'
  | 'limits_changed'
  | 'request_not_found'
  | 'reset_not_found'
  | 'reset_undone'
  | 'token_not_found'
  | 'token_revoked'
  | 'alert_not_found'
  | 'backup_failed'
  | 'output_failed'
  | 'not_confirmed'
  | 'interrupted';

export interface ErrorDetails {
  /** The input that was wrong, in the caller's own spelling: `--tokens`, `estimate.input`, `line 3`. */
  readonly field?: string;
  /** The next thing to do: a command, or a short sentence. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/** An expected failure: one clear line, and what to do next. Anything else thrown is a defect. */
export class TokenctlError extends Error {
  readonly code: ErrorCode;
  readonly field: string | null;
  readonly fix: string | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TokenctlError';
    this.code = code;
    this.field = details.field ?? null;
    this.fix = details.fix ?? null;
  }
}

/** Bad input: names the field, what was wrong and what is accepted. Nothing was changed. */
export function invalidInput(field: string, problem: string, fix?: string): TokenctlError {
  return new TokenctlError('invalid_input', `${field}: ${problem}`, {
    field,
    ...(fix === undefined ? {} : { fix }),
  });
}

import { TokenctlError } from '../budget/errors.ts';

/** What both databases' backups share. */

export interface BackupOptions {
  /** Where it is written; it goes to its place when it is whole. */
  readonly to: string;
  /** Ends it when aborted. */
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export function backupFailed(what: string, fix: string | null, cause?: unknown): TokenctlError {
  return new TokenctlError('backup_failed', `the backup failed: ${what}`, {
    ...(fix === null ? {} : { fix }),
    ...(cause === undefined ? {} : { cause }),
  });
}

export function backupInterrupted(): TokenctlError {
  return new TokenctlError('interrupted', 'interrupted; no backup was made');
}

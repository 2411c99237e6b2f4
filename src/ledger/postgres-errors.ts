import pg from 'pg';
import { TokenctlError } from '../budget/errors.ts';
import type { FailureKind } from './port.ts';
import type { PostgresTarget } from './postgres-url.ts';

/** What PostgreSQL's and the network's errors mean: for a retry, and for a person. */

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function isMissingDatabase(error: unknown): boolean {
  return codeOf(error) === '3D000';
}

/** The session can't write; a new one may, or reach the server that took over. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === '25006';
}

/** Why the server can't be used, in a few words, without the password. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch (codeOf(error)) {
    case '28P01':
    case '28000':
      return 'the login was refused: check user and password in the URL';
    case 'ECONNREFUSED':
      return 'nothing listens there: start PostgreSQL, or check host and port';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is unknown: check the host in the URL';
    case '42501':
      return `${error.message}: grant it to this role (docs/database.md says what each needs)`;
    default:
      return error.message === '' ? codeOf(error) : error.message;
  }
}

/** A failed connection as an expected error. */
export function unreachable(target: PostgresTarget, error: unknown): unknown {
  if (error instanceof TokenctlError || !(error instanceof Error)) return error;
  if (isMissingDatabase(error)) {
    return new TokenctlError('database_missing', `there is no database at ${target.location}`, {
      cause: error,
      fix: 'check the name, or create it: tokenctl db migrate',
    });
  }
  return new TokenctlError(
    'ledger_unavailable',
    `${target.location} can't be reached: ${explain(error)}`,
    { cause: error, fix: 'tokenctl db info' },
  );
}

export function classify(error: unknown): FailureKind {
  if (error instanceof TokenctlError) return 'unusable';
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!/^[0-9A-Z]{5}$/.test(code)) {
    // Not an answer of the server: a socket error, a time-out, or a connection that ended.
    return error instanceof pg.DatabaseError || isConnectionError(error) ? 'lost' : 'content';
  }
  if (code.startsWith('08') || code.startsWith('57P') || code === '53300') return 'lost';
  if (code === '55P03' || code === '57014' || code === '40P01' || code === '40001') return 'busy';
  // An idle-in-transaction time-out ended the session.
  if (code === '25P03' || code === '25P04') return 'lost';
  if (code.startsWith('22') || code.startsWith('23')) return 'content';
  return 'unusable';
}

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && /^(E[A-Z]+|ERR_)/.test(String(error.code))) return true;
  return /connection|timeout|terminated|not queryable|socket/i.test(error.message);
}

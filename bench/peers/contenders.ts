import type { Contender } from './contender.ts';
import {
  rateLimiterMemory,
  rateLimiterPostgres,
  rateLimiterSqlite,
  rateLimiterWithPrisma,
} from './rate-limiter.ts';
import { spendGuardMemory, spendGuardPostgres } from './spend-guard.ts';
import { tokenctl } from './tokenctl.ts';

/** Who is measured, in the order of the table. */
export const CONTENDERS: readonly Contender[] = [
  tokenctl('sqlite', false),
  tokenctl('sqlite', true),
  rateLimiterSqlite,
  tokenctl('postgresql', false),
  tokenctl('postgresql', true),
  rateLimiterPostgres,
  rateLimiterWithPrisma,
  spendGuardPostgres,
  rateLimiterMemory,
  spendGuardMemory,
];

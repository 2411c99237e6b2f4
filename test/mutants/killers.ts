import type { Killer } from './mutant.ts';

/** The tests that catch more than one mutant, and short names for their files. */

export const contract = (suite: string, test: string): Killer => ({
  file: `test/ledger/contract/${suite}.test.ts`,
  test,
});
export const writers = (database: 'sqlite' | 'postgres', test: string): Killer => ({
  file: `test/ledger/foreign-writers.${database}.test.ts`,
  test,
});
export const transactions = (test: string): Killer => ({
  file: 'test/ledger/foreign-transactions.postgres.test.ts',
  test,
});
export const resets = (test: string): Killer => ({ file: 'test/ledger/resets.test.ts', test });

export const expiry = contract(
  'expiry',
  'is held until its time, then charged in full by the next batch',
);

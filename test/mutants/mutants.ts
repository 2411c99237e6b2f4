import { COUNTING } from './counting.ts';
import type { Mutant } from './mutant.ts';
import { RULES } from './rules.ts';
import { SCHEMA } from './schema.ts';
import { TRANSACTIONS } from './transactions.ts';

/** The known defects of budgets and ledgers, each of which the tests must catch. */
export const MUTANTS: readonly Mutant[] = [...RULES, ...TRANSACTIONS, ...COUNTING, ...SCHEMA];

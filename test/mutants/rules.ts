import type { Mutant } from './mutant.ts';

const decide = 'src/budget/decide.ts';
const decideTest = 'test/budget/decide.test.ts';

/** Defects of the rules, which know no database. */
export const RULES: readonly Mutant[] = [
  {
    name: 'used-without-held',
    defect: 'Open reservations bind nothing, so concurrent calls pass the limit together.',
    file: decide,
    edits: [['used + held + requested <= limit', 'used + requested <= limit']],
    killers: [{ file: decideTest, test: 'used + %i held + %i of 1000: admitted is' }],
  },
  {
    name: 'window-below-its-limit',
    defect: 'The last token of a window can never be used.',
    file: decide,
    edits: [['used + held + requested <= limit', 'used + held + requested < limit']],
    killers: [{ file: decideTest, test: 'used + %i held + %i of 1000: admitted is' }],
  },
  {
    name: 'level-past-its-amount',
    defect: 'A level begins one token after the amount that it is named for.',
    file: 'src/budget/levels.ts',
    edits: [['usedAndHeld >= amount', 'usedAndHeld > amount']],
    killers: [{ file: 'test/budget/levels.test.ts', test: 'at %i of 140,000 tokens is' }],
  },
  {
    name: 'minute-plus-one',
    defect: 'The 43rd request of a minute passes.',
    file: decide,
    edits: [
      [
        'if (recent + request.items > perMinute) {',
        'if (recent + request.items > perMinute + 1) {',
      ],
    ],
    killers: [{ file: decideTest, test: 'requests in the last minute: admitted is' }],
  },
  {
    name: 'minute-of-60001-ms',
    defect: 'A request that is 60 seconds old still counts in the minute.',
    file: decide,
    edits: [
      [
        'if (atMs > nowMs - MINUTE_MS) total += items',
        'if (atMs >= nowMs - MINUTE_MS) total += items',
      ],
    ],
    killers: [{ file: decideTest, test: 'ms ago, of 1 a minute: admitted is' }],
  },
  {
    name: 'own-limit-ignored',
    defect: 'The limits of an AI type of its own bind nobody.',
    file: decide,
    edits: [['if (aiType !== null && own !== null) {', 'if (aiType === null && own !== null) {']],
    killers: [
      {
        file: decideTest,
        test: "an AI type's usage is counted against its own limit, not all usage",
      },
    ],
  },
  {
    name: 'local-windows',
    defect: "Months, days and hours are the host's, so two hosts count in different windows.",
    file: 'src/budget/windows.ts',
    edits: [
      ['at.getUTCFullYear()', 'at.getFullYear()'],
      ['at.getUTCMonth()', 'at.getMonth()'],
      ['at.getUTCDate()', 'at.getDate()'],
      ['at.getUTCHours()', 'at.getHours()'],
      ['at.toISOString()', 'new Date(atMs - at.getTimezoneOffset() * 60_000).toISOString()'],
    ],
    killers: [{ file: 'test/budget/windows.test.ts', test: 'windows are the same' }],
  },
  {
    name: 'fails-open',
    defect: 'A ledger that does not answer admits.',
    file: 'src/budget/verdict.ts',
    edits: [['admitted: false,', 'admitted: true,']],
    killers: [
      { file: 'test/faults/sqlite-lock.test.ts', test: 'for longer than timeoutMs denies' },
      {
        file: 'test/faults/postgres-proxy.test.ts',
        test: 'denies with ledger_unavailable in time',
      },
    ],
  },
  {
    name: 'release-on-unknown',
    defect: 'A call whose outcome is unknown is taken as free.',
    file: 'src/guard/run.ts',
    edits: [['const end = providerRefused(error)\n', 'const end = true\n']],
    killers: [{ file: 'test/guard/run.test.ts', test: 'charges the hold in full on' }],
  },
];

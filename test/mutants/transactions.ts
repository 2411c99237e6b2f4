import type { Mutant } from './mutant.ts';

const sqlite = 'src/ledger/sqlite.ts';
const postgres = 'src/ledger/postgres.ts';
const statements = 'src/ledger/postgres-statements.ts';
const ledger = 'src/ledger/ledger.ts';
const batch = 'src/ledger/batch.ts';
const place = 'src/ledger/sqlite-place.ts';
const movedTest = 'test/faults/sqlite-moved.test.ts';
const transactionTest = 'test/ledger/transaction.test.ts';
const durabilityTest = 'test/ledger/durability.test.ts';
const idempotencyTest = 'test/ledger/contract/idempotency.test.ts';
const commitLost = {
  file: 'test/faults/postgres-proxy.test.ts',
  test: 'admits and counts a reservation once',
};

/** Defects of locks, transactions, durability and retries. */
export const TRANSACTIONS: readonly Mutant[] = [
  {
    name: 'deferred-begin',
    defect: 'SQLite decides before it has the write lock.',
    file: sqlite,
    edits: [["'BEGIN IMMEDIATE')", "'BEGIN')"]],
    killers: [{ file: transactionTest, test: 'begins no decision before it has the lock' }],
    on: 'sqlite',
  },
  {
    name: 'no-advisory-lock',
    defect: 'PostgreSQL decides while another process does.',
    file: statements,
    edits: [['    ${LOCK};\n', '']],
    killers: [{ file: transactionTest, test: 'begins no decision before it has the lock' }],
    on: 'postgresql',
  },
  {
    name: 'lock-inside-the-statement',
    defect: 'The statement that takes the lock reads as of its start, before the lock was held.',
    file: statements,
    edits: [
      ['    ${LOCK};\n    SET LOCAL lock_timeout = ${String(ROW_LOCK_MS)};\n', ''],
      [
        "FROM usage_windows_now\n    WHERE window_start = ANY ($1) AND (scope_kind = 'global'",
        "FROM usage_windows_now, (${LOCK}) AS locked WHERE window_start = ANY ($1) AND (scope_kind = 'global'",
      ],
    ],
    killers: [
      { file: transactionTest, test: 'decides on what was committed while it waited for the lock' },
    ],
    on: 'postgresql',
  },
  {
    name: 'check-then-act',
    defect: 'The counts are read in a transaction of their own, before the one that reserves.',
    file: ledger,
    edits: [
      [
        'const { outcomes, seenDenials } = await this.#connection.transaction(',
        `const before = await this.#connection.transaction('read', function* (ops) {
      return yield* step(ops.windows(null, null));
    });
    await this.#runtime.yield();
    const { outcomes, seenDenials } = await this.#connection.transaction(`,
      ],
      ['runBatch(\n        ops,', 'runBatch(\n        { ...ops, windows: () => before },'],
    ],
    killers: [{ file: 'test/races/ledgers.test.ts', test: 'reserve exactly what it holds' }],
  },
  {
    name: 'time-before-the-lock-sqlite',
    defect: 'A decision goes by a time at which another process was still deciding.',
    file: sqlite,
    edits: [
      [
        "statement(mode === 'read' ?",
        "const nowMs = runtime.nowMs();\n        statement(mode === 'read' ?",
      ],
      ['operations(statement, runtime.nowMs())', 'operations(statement, nowMs)'],
    ],
    killers: [{ file: transactionTest, test: 'is read while the lock is held' }],
  },
  {
    name: 'time-before-the-lock-postgresql',
    defect: "now() is the transaction's start, before it waited for the lock.",
    file: postgres,
    edits: [['clock_timestamp()', 'now()']],
    killers: [{ file: transactionTest, test: "is the database's, after the wait for the lock" }],
  },
  {
    name: 'synchronous-normal',
    defect: 'A loss of power takes back commits that were answered.',
    file: sqlite,
    edits: [['synchronous = FULL', 'synchronous = NORMAL']],
    killers: [{ file: durabilityTest, test: 'in an SQLite file whose journal mode was' }],
  },
  {
    name: 'rollback-journal',
    defect: 'A file that has no write-ahead log is taken as it is.',
    file: sqlite,
    edits: [
      ["database.pragma('journal_mode = WAL', { simple: true }) !== 'wal'", "mode === 'none'"],
    ],
    killers: [
      { file: durabilityTest, test: 'in an SQLite file whose journal mode was' },
      { file: durabilityTest, test: 'or SQLite is refused, where it has no write-ahead log' },
    ],
  },
  {
    name: 'synchronous-commit-off',
    defect: 'PostgreSQL answers a commit before it is on the disk.',
    file: postgres,
    edits: [['SET synchronous_commit = on;', '']],
    killers: [
      { file: durabilityTest, test: 'also where the database says that commits need not wait' },
    ],
  },
  {
    name: 'answer-before-commit-sqlite',
    defect: 'A caller may spend what is not yet committed.',
    file: sqlite,
    edits: [
      [
        "          statement('COMMIT').run();",
        "          resolve(result);\n          statement('COMMIT').run();",
      ],
    ],
    killers: [{ file: transactionTest, test: 'answers nobody before its COMMIT' }],
    on: 'sqlite',
  },
  {
    name: 'answer-before-commit-postgresql',
    defect: 'A caller may spend what is not yet committed.',
    file: postgres,
    edits: [["await open.query('COMMIT');", "open.query('COMMIT').catch(() => undefined);"]],
    killers: [{ file: transactionTest, test: 'answers nobody before its COMMIT' }],
    on: 'postgresql',
  },
  {
    name: 'batch-blind',
    defect: 'The reserves of one batch do not see each other.',
    file: batch,
    edits: [['    counters.admit(aiType, estimate.total, command.items, nowMs);\n', '']],
    killers: [
      {
        file: 'test/ledger/contract/windows.test.ts',
        test: 'decides each request of one batch against those before it',
      },
    ],
  },
  {
    name: 'own-windows-unread',
    defect: 'What an AI type has used is not read, so its own limits never bind.',
    file: batch,
    edits: [['ownLimits(limits, aiType) !== null', 'ownLimits(limits, aiType) === undefined']],
    killers: [{ file: 'test/ledger/contract/windows.test.ts', test: "binds an AI type's own" }],
  },
  {
    name: 'limits-read-once',
    defect: 'A process that is open goes on by old limits.',
    file: 'src/ledger/limits-in-force.ts',
    edits: [
      ['if (last?.text === text && last.limits.revision === revision)', 'if (last !== null)'],
    ],
    killers: [
      {
        file: 'test/ledger/contract/levels.test.ts',
        test: 'binds at the next decision of every process that is open already',
      },
    ],
  },
  {
    name: 'limits-by-number',
    defect: 'A restored backup is decided by limits that it does not have.',
    file: 'src/ledger/limits-in-force.ts',
    edits: [['last?.text === text && last.limits', 'last?.limits']],
    killers: [{ file: movedTest, test: 'decides by the limits in it' }],
  },
  {
    name: 'moved-file-used',
    defect: 'Who has a file open that was moved or replaced goes on spending in it.',
    file: place,
    edits: [
      ['if (lying === null) throw gone();\n', ''],
      [
        'if (lying !== this.#opened.identities[0]) this.#reopen();\n    this.#requireSameLog();\n',
        '',
      ],
    ],
    killers: [
      { file: movedTest, test: 'admits, settles and shows nothing until it is back' },
      { file: movedTest, test: 'denies, makes none, and goes on with a backup' },
    ],
  },
  {
    name: 'moved-before-commit',
    defect: 'What is decided while the file is moved away is committed into it.',
    file: sqlite,
    edits: [["if (mode === 'write') place.requireSame();", '']],
    killers: [{ file: movedTest, test: 'in the middle of a change takes nothing of it' }],
  },
  {
    name: 'left-over-log-read',
    defect: 'The -wal of the file before is read into the one that replaced it.',
    file: place,
    edits: [['lying !== null && lying === old.identities[at]', 'lying === names[0]']],
    killers: [{ file: movedTest, test: 'over a -wal that is not its own is refused' }],
  },
  {
    name: 'log-removed',
    defect: 'What is committed goes to a -wal that nobody else sees.',
    file: place,
    edits: [['identityOf(names[at]) !== identities[at]', 'identities[at] === names[at]']],
    killers: [{ file: movedTest, test: 'moved away denies until it is back' }],
  },
  {
    name: 'key-ignored',
    defect: 'A retry of the caller is admitted and held a second time.',
    file: batch,
    edits: [
      [
        'const { estimate, idempotencyKey } = command;',
        'const { estimate } = command;\n  const idempotencyKey = null;',
      ],
    ],
    killers: [
      {
        file: idempotencyTest,
        test: 'gives the same reservation while it is open, and counts once',
      },
    ],
  },
  {
    name: 'key-binds-anything',
    defect: 'A key that was used for another request gets the reservation of that one.',
    file: batch,
    edits: [['if (!same) {', 'if (!same && row.state === null) {']],
    killers: [
      { file: idempotencyTest, test: 'refuses the second of two different requests in one batch' },
    ],
  },
  {
    name: 'retry-unlooked',
    defect: 'A COMMIT whose answer was lost is run again without a look for its own row.',
    file: batch,
    edits: [
      ['const ids = replay ? commands.map(({ id }) => id) : [];', 'const ids: string[] = [];'],
    ],
    killers: [commitLost],
  },
  {
    name: 'retry-with-a-new-id',
    defect: 'A COMMIT whose answer was lost is run again under another id, and holds twice.',
    file: ledger,
    edits: [
      [
        "if (kind === 'lost') for (const waiting of batch) waiting.replay = true;",
        "if (kind === 'lost') for (const { command } of batch) Object.assign(command, { id: this.#runtime.newId() });",
      ],
    ],
    killers: [commitLost],
  },
  {
    name: 'unheard-admission-kept',
    defect: 'What was admitted unheard, while its caller was told no, stays held.',
    file: ledger,
    edits: [['if (replay && idempotencyKey === null', 'if (!replay && idempotencyKey === null']],
    killers: [{ file: commitLost.file, test: 'what was admitted unheard is released later' }],
  },
];

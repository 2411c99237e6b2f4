import { contract, expiry, resets, transactions } from './killers.ts';
import type { Mutant } from './mutant.ts';

const batch = 'src/ledger/batch.ts';
const sqlite = 'src/ledger/sqlite-statements.ts';
const statements = 'src/ledger/postgres-statements.ts';

const aboveReservation = contract(
  'ending',
  'lets usage above the reservation stand above the limit, and denies from then on',
);
const rates = contract('rates', 'but no denials');

/** Defects of how reservations end, and of what denials and resets count. */
export const COUNTING: readonly Mutant[] = [
  {
    name: 'settle-dropped',
    defect: 'Usage above the reservation is not recorded.',
    file: batch,
    edits: [
      [
        "return command.usage === null ? null : endedLog(command.id, 'settled', command.usage, command);",
        'return null;',
      ],
      [
        "  if (row.state === 'settled') return unchanged(row, 'settled');\n",
        `  if (row.state === 'settled') return unchanged(row, 'settled');
  const told = (command.usage?.tokensIn ?? 0) + (command.usage?.tokensOut ?? 0);
  if (told > row.reservedTokens) return unchanged(row, 'settled');
`,
      ],
    ],
    killers: [aboveReservation],
  },
  {
    name: 'settle-capped-sqlite',
    defect: 'Usage above the reservation is cut down to it.',
    file: sqlite,
    edits: [
      [
        'state = ?, tokens_in = ?, tokens_out = ?, total_tokens = ?,',
        `state = ?, tokens_in = min(?, reserved_input_tokens),
    tokens_out = min(?, reserved_tokens - reserved_input_tokens), total_tokens = min(?, reserved_tokens),`,
      ],
    ],
    killers: [aboveReservation],
    on: 'sqlite',
  },
  {
    name: 'settle-capped-postgresql',
    defect: 'Usage above the reservation is cut down to it.',
    file: statements,
    edits: [
      [
        'tokens_in = r.tokens_in, tokens_out = r.tokens_out, total_tokens = r.tokens_in + r.tokens_out,',
        `tokens_in = least(r.tokens_in, l.reserved_input_tokens), tokens_out = least(r.tokens_out, l.reserved_tokens - l.reserved_input_tokens),
      total_tokens = least(r.tokens_in + r.tokens_out, l.reserved_tokens),`,
      ],
    ],
    killers: [aboveReservation],
    on: 'postgresql',
  },
  {
    name: 'settle-twice',
    defect: 'A repeated settle replaces what was reported first.',
    file: batch,
    edits: [["  if (row.state === 'settled') return unchanged(row, 'settled');\n", '']],
    killers: [contract('ending', 'settles once: the first usage stays')],
  },
  {
    name: 'expiry-frees-sqlite',
    defect: 'A holder that dies gives its tokens back, though it may have spent them.',
    file: sqlite,
    edits: [
      [
        'tokens_out = reserved_tokens - reserved_input_tokens, total_tokens = reserved_tokens,',
        'tokens_out = -reserved_input_tokens, total_tokens = 0,',
      ],
    ],
    killers: [expiry],
    on: 'sqlite',
  },
  {
    name: 'denial-holds',
    defect: 'A refused call is held, so that its neighbours are refused too.',
    file: batch,
    edits: [
      [
        'if (!decision.admitted) {',
        'if (!decision.admitted) {\n      counters.admit(aiType, estimate.total, command.items, nowMs);',
      ],
    ],
    killers: [contract('denials', 'do not stand in the way of what passes in the same batch')],
  },
  {
    name: 'denial-in-the-minute-sqlite',
    defect: 'Refused calls fill the minute, so a caller in a retry loop never gets out of it.',
    file: sqlite,
    edits: [
      [
        "WHERE counted_at_ms > ? AND state <> 'denied' ORDER BY",
        'WHERE counted_at_ms > ? ORDER BY',
      ],
    ],
    killers: [rates],
    on: 'sqlite',
  },
  {
    name: 'denial-in-the-minute-postgresql',
    defect: 'Refused calls fill the minute, so a caller in a retry loop never gets out of it.',
    file: statements,
    edits: [
      [
        "WHERE counted_at_ms > $1 AND state <> 'denied' ORDER BY",
        'WHERE counted_at_ms > $1 ORDER BY',
      ],
    ],
    killers: [rates],
    on: 'postgresql',
  },
  {
    name: 'reset-drops-holds',
    defect: 'A reset also takes what is still held, and the calls under way come on top of it.',
    file: 'src/ledger/resets.ts',
    edits: [['used: row.used - to,', 'used: row.used + row.held - to,']],
    killers: [resets('take what is used, not what is held, nor what rates count')],
  },
  {
    name: 'reset-beside-an-open-writer',
    defect:
      'A reset takes a charge that an open transaction has lowered, and the window falls below zero.',
    file: 'src/ledger/postgres-operations.ts',
    edits: [["await client.query('LOCK TABLE token_usage_logs IN SHARE ROW EXCLUSIVE MODE');", '']],
    killers: [resets('waits for its end, and takes what is left of the charge')],
  },
  {
    name: 'reset-of-256-due-holds',
    defect: 'A reset charges some of the due holds, and the others fall on the windows after it.',
    file: 'src/ledger/resets.ts',
    edits: [['yield* step(ops.expireDue(DUE_AT_ONCE));', 'yield* step(ops.expireDue(1));']],
    killers: [resets('take all holds whose time is over, also more than one batch charges')],
  },
  {
    name: 'waits-for-a-forgotten-reservation',
    defect: 'A foreign transaction that holds one reservation holds up all others.',
    file: statements,
    edits: [
      [
        "WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED)' : ''",
        "WHERE id = ANY ($1) FOR NO KEY UPDATE)' : ''",
      ],
    ],
    killers: [transactions('that holds the row of a reservation holds up nobody else')],
  },
];

import {
  EXIT,
  errorCodesOf,
  EXIT_MEANINGS,
  EXIT_OF_LEVEL,
  NAGIOS_OF_LEVEL,
  NAGIOS_UNKNOWN,
} from '../exit-codes.ts';
import type { TopicPart } from '../views/topic.ts';

type Outcome = keyof typeof EXIT;

const DETAILS: Readonly<Record<Outcome, string>> = {
  done: 'Also of monitor and log -f that were stopped by SIGTERM.',
  failed: 'Nothing was changed, unless the message says so.',
  usage: 'A command, flag or value that is wrong; nothing was changed. Of wait: it can never pass.',
  found: 'check denied; wait was out of time; limits lint, db verify or doctor found problems.',
  database:
    'It is missing, out of reach, not migrated, or newer than this tokenctl. check prints its verdict too, as a lost ledger denies.',
  notConfirmed:
    'reset, db prune or token revoke; nothing was changed. Without a terminal they need --yes.',
  interrupted: 'By Ctrl-C.',
};

const outcomes = Object.keys(EXIT) as Outcome[];

export const exitCodes: readonly TopicPart[] = [
  {
    title: 'Exit codes',
    rows: outcomes.map((name) => {
      const codes = errorCodesOf(EXIT[name]);
      const named = codes.length === 0 ? '' : ` Error codes: ${codes.join(', ')}.`;
      return [String(EXIT[name]), `${EXIT_MEANINGS[name]}. ${DETAILS[name]}${named}`];
    }),
  },
  {
    title: 'status --exit-code',
    rows: Object.entries(EXIT_OF_LEVEL).map(([level, code]) => [String(code), level]),
  },
  {
    title: 'status --nagios',
    rows: [
      ...Object.entries(NAGIOS_OF_LEVEL).map(([level, code]) => [String(code), level] as const),
      [String(NAGIOS_UNKNOWN), 'unknown: whatever went wrong, a lost database too'],
    ],
  },
  {
    title: 'Errors',
    text: 'Standard error says what failed and what to do next. With --json, standard output is { "error": { "code", "message", "field", "fix" } }, with an error code of the table above.',
  },
];

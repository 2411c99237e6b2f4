import { FIELDS } from '../import/columns.ts';
import { PLACEHOLDERS } from '../views/status-line.ts';
import type { TopicPart } from '../views/topic.ts';

/** The keys of each command's JSON document. */
export const DOCUMENTS: Readonly<Record<string, string>> = {
  status:
    'schemaVersion, time, level, thresholds, database, month, windows, rates, aiTypes, largestAdmissible, binding, burnRate, lastLogAt, limitsRevision, findings',
  check: 'admitted, aiType, estimate, reasons, retryAt, largestAdmissible, reservation',
  log: 'requests',
  explain: 'request, count, verdict, now',
  limits: 'revision, effective, aiTypes, settings, derivations',
  'limits set': 'revision, changed, dryRun, changes, effect, effective, findings',
  'limits lint': 'revision, findings',
  'limits history': 'revisions',
  reset: 'id, dryRun, changes',
  'reset --list': 'resets',
  import: 'file, rows, aiTypes, inputTokens, outputTokens, from, to, added, known, ms',
  monitor:
    'schemaVersion, time, lost, level, percent, used, held, limit, largestAdmissible, binding, error',
  'token create':
    'token, id, name, prefix, state, scopes, aiTypes, createdAt, createdBy, expiresAt, lastUsedAt, revokedAt',
  'token list': 'tokens',
  'token revoke':
    'dryRun, id, name, prefix, state, scopes, aiTypes, createdAt, createdBy, expiresAt, lastUsedAt, revokedAt',
  'db migrate': 'created, applied, adopted, dryRun, upToDate, location',
  'db verify': 'clean, repaired, differences',
  'db info':
    'kind, location, source, state, migrations, since, server, sizeBytes, logRows, limitsRevision',
  'db backup': 'file, kind, location, sizeBytes, ms',
  'db prune': 'before, dryRun, rows, deleted, openKept, months',
  doctor: 'checks, problems',
};

export const formats: readonly TopicPart[] = [
  {
    title: '--json',
    text: 'One document on standard output; of monitor and log -f one a line (NDJSON), as soon as it is known. Keys are camelCase, absent values null, tokens integers. Fields may be added: ignore what you do not know. docs/cli.md says what each holds.',
    rows: [
      ...Object.entries(DOCUMENTS),
      ['limits unset, apply, rollback', 'as limits set'],
      ['limits export', 'a limits file; without --json as YAML'],
      ['log -f', 'one of the requests of log a line'],
      ['wait', 'the last verdict, as check; with --below the last status'],
      ['a failure', 'error: code, message, field, fix'],
    ],
  },
  {
    title: 'Times',
    text: 'JSON has ISO 8601 in UTC with Z. Months, days and hours are those of UTC. --since and --until take 90s, 5m, 2h or 1d (ago), or 2026-11-24 or 2026-11-24T05:30Z (UTC where there is no offset); --month and --before take YYYY-MM.',
  },
  {
    title: 'status --format',
    text: "A line of your own, such as '{level} {month.percent} %'. {{ and }} stand for braces. Numbers are plain digits, percentages have two decimals; what there is not is -.",
    rows: [
      ...PLACEHOLDERS.map(({ name, about }) => [`{${name}}`, about] as const),
      ['{ai:TYPE.used}', "an AI type's tokens of the month"],
      ['{ai:TYPE.percent}', 'its share'],
    ],
  },
  {
    title: 'import (columns of a CSV file, keys of JSON lines)',
    text: 'Known by these names in any case; --columns FIELD=COLUMN names others, of JSON lines also a path (usage.input_tokens). timestamp, input and output are needed, and an AI type in each row or by --ai-type. Times are YYYY-MM-DD HH:MM:SS or ISO 8601 (UTC where there is no offset), or seconds or milliseconds since 1970.',
    rows: Object.entries(FIELDS).map(([field, names]) => [field, names.join(', ')]),
  },
];

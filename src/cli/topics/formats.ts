import { FIELDS } from '../import/columns.ts';
import { PLACEHOLDERS } from '../views/status-line.ts';
import type { TopicPart } from '../views/topic.ts';

export const formats: readonly TopicPart[] = [
  {
    title: '--json',
    text: 'One document on standard output; of monitor and log -f one a line (NDJSON), as soon as it is known. Keys are camelCase, absent values null, tokens integers. Fields may be added: ignore what you do not know. The directory schemas of the package has a JSON Schema of each.',
    rows: [
      ['most commands', 'the schema of their name: status, limits-history, db-info, …'],
      ['check', 'verdict'],
      ['wait', 'wait: the last verdict; with --below the last status'],
      ['log -f', 'log-line: one of the requests of log a line'],
      ['limits set, unset, apply, rollback', 'limits-change'],
      ['reset --list', 'resets'],
      ['monitor', 'monitor-line'],
      ['help TOPIC', 'help-topic'],
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

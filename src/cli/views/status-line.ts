import { invalidInput } from '../../budget/errors.ts';
import { LEVELS } from '../../budget/levels.ts';
import { WINDOW_KINDS } from '../../budget/windows.ts';
import type { StatusReport } from '../../ledger/status.ts';
import type { WindowStatus } from '../../ledger/window-status.ts';
import { duration } from './text.ts';

/** `status --format`: one line of one's own for tmux, a prompt or a script. Numbers are plain digits. */

type Value = (report: StatusReport) => string;

const ABSENT = '-';

interface WindowField {
  readonly about: string;
  readonly value: (row: WindowStatus, nowMs: number) => string;
}

const WINDOW_FIELDS: Readonly<Record<string, WindowField>> = {
  used: { about: 'tokens used', value: ({ used }) => String(used) },
  held: { about: 'tokens held', value: ({ held }) => String(held) },
  limit: {
    about: 'the limit, or off',
    value: ({ limit }) => (limit === null ? 'off' : String(limit)),
  },
  left: {
    about: 'tokens left',
    value: ({ remaining }) => (remaining === null ? ABSENT : String(remaining)),
  },
  percent: { about: 'used and held of the limit', value: ({ percent }) => percentOf(percent) },
  resets_in: {
    about: 'the time until it resets',
    value: ({ resetsAt }, nowMs) => duration(Date.parse(resetsAt) - nowMs),
  },
};

interface Placeholder {
  /** Without its braces. */
  readonly name: string;
  readonly about: string;
  readonly value: Value;
}

/** Every placeholder but those of an AI type. */
export const PLACEHOLDERS: readonly Placeholder[] = [
  { name: 'level', about: LEVELS.join(', '), value: ({ level }) => level },
  { name: 'percent', about: "the month's", value: windowValue('month', 'percent') },
  ...WINDOW_KINDS.flatMap((kind) =>
    Object.entries(WINDOW_FIELDS).map(([field, { about }]) => ({
      name: `${kind}.${field}`,
      about: `${kind}: ${about}`,
      value: windowValue(kind, field),
    })),
  ),
  {
    name: 'binding.window',
    about: 'what binds first',
    value: ({ binding }) => binding?.window ?? ABSENT,
  },
  {
    name: 'largest',
    about: 'the largest request that passes now',
    value: ({ largestAdmissible: largest }) => (largest === null ? ABSENT : String(largest)),
  },
  {
    name: 'last_log_age',
    about: 'how old the newest log row is',
    value: ({ lastLogAt, time }) =>
      lastLogAt === null ? ABSENT : duration(Date.parse(time) - Date.parse(lastLogAt)),
  },
];

const KNOWN = `level, percent, month|day|hour.${Object.keys(WINDOW_FIELDS).join('|')}, binding.window, largest, last_log_age, ai:TYPE.used|percent`;

/**
 * Reads a template: `{month.left}` stands for a value, `{{` and `}}` for the braces themselves.
 * @throws invalid_input for a placeholder that is not known, or a brace without its other half
 */
export function parseStatusLine(template: string): Value {
  if (template.trim() === '') throw invalidInput('--format', 'is empty', EXAMPLE);
  const parts = [...template.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)].map(
    ([whole, placeholder]): Value => {
      if (placeholder !== undefined) return valueOf(placeholder.trim());
      if (whole === '{' || whole === '}') {
        throw invalidInput(
          '--format',
          `has a "${whole}" without its other half`,
          'write {{ or }} for a brace itself',
        );
      }
      return () => (whole === '{{' ? '{' : whole === '}}' ? '}' : whole);
    },
  );
  return (report) => parts.map((part) => part(report)).join('');
}

const EXAMPLE = "for example: --format '{level} {month.percent}'";

function valueOf(name: string): Value {
  const known = PLACEHOLDERS.find((each) => each.name === name);
  if (known !== undefined) return known.value;
  const [, aiType, field] =
    /^ai:([a-z0-9][a-z0-9_.-]*)\.(used|percent)$/.exec(name.toLowerCase()) ?? [];
  if (aiType === undefined) {
    throw invalidInput('--format', `does not know {${name}}`, `it knows: ${KNOWN}`);
  }
  return ({ aiTypes }) => {
    const found = aiTypes.find((row) => row.aiType === aiType);
    return field === 'used' ? String(found?.used ?? 0) : percentOf(found?.percentOfGlobal ?? 0);
  };
}

function windowValue(kind: WindowStatus['window'], field: string): Value {
  return ({ windows, time }) => {
    const row = windows.find(({ scope, window }) => scope === 'global' && window === kind);
    const known = WINDOW_FIELDS[field];
    return row === undefined || known === undefined ? ABSENT : known.value(row, Date.parse(time));
  };
}

function percentOf(percent: number | null): string {
  return percent === null ? ABSENT : percent.toFixed(2);
}

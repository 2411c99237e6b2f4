import { invalidInput } from '../../budget/errors.ts';
import { WINDOW_KINDS } from '../../budget/windows.ts';
import type { StatusReport } from '../../ledger/status.ts';
import type { WindowStatus } from '../../ledger/window-status.ts';
import { duration } from './text.ts';

/** `status --format`: one line of one's own for tmux, a prompt or a script. Numbers are plain digits. */

type Value = (report: StatusReport) => string;

const ABSENT = '-';

const WINDOW_VALUES: Readonly<Record<string, (row: WindowStatus, nowMs: number) => string>> = {
  used: ({ used }) => String(used),
  held: ({ held }) => String(held),
  limit: ({ limit }) => (limit === null ? 'off' : String(limit)),
  left: ({ remaining }) => (remaining === null ? ABSENT : String(remaining)),
  percent: ({ percent }) => percentOf(percent),
  resets_in: ({ resetsAt }, nowMs) => duration(Date.parse(resetsAt) - nowMs),
};

const VALUES: Readonly<Record<string, Value>> = {
  level: ({ level }) => level,
  percent: windowValue('month', 'percent'),
  ...Object.fromEntries(
    WINDOW_KINDS.flatMap((kind) =>
      Object.keys(WINDOW_VALUES).map((field) => [`${kind}.${field}`, windowValue(kind, field)]),
    ),
  ),
  'binding.window': ({ binding }) => binding?.window ?? ABSENT,
  largest: ({ largestAdmissible: largest }) => (largest === null ? ABSENT : String(largest)),
  last_log_age: ({ lastLogAt, time }) =>
    lastLogAt === null ? ABSENT : duration(Date.parse(time) - Date.parse(lastLogAt)),
};

const KNOWN = `level, percent, month|day|hour.${Object.keys(WINDOW_VALUES).join('|')}, binding.window, largest, last_log_age, ai:TYPE.used|percent`;

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
  const known = Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;
  if (known !== undefined) return known;
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
    const value = WINDOW_VALUES[field];
    return row === undefined || value === undefined ? ABSENT : value(row, Date.parse(time));
  };
}

function percentOf(percent: number | null): string {
  return percent === null ? ABSENT : percent.toFixed(2);
}

import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  NO_SETTINGS,
  type LimitKey,
  type Limits,
  type LimitKeyRule,
  type Settings,
} from '../../budget/limits.ts';
import type { LimitsInForce } from '../../ledger/limits-in-force.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import { count, grouped, hang, timeText } from './text.ts';

/** The thresholds as amounts, each shown under the percentage that gives it. */
const AMOUNT_OF: Partial<Record<LimitKey, keyof Limits>> = {
  warning: 'warningAt',
  critical: 'criticalAt',
  emergency: 'emergencyAt',
};

/** Each limit with its value, where it comes from, and the arithmetic that gave it. */
export function limitsView(inForce: LimitsInForce, screen: Screen): string {
  const { limits, derivations, revision, settings } = inForce;
  const rows = Object.entries(LIMIT_KEYS).flatMap(([name, rule]) => {
    const key = name as LimitKey;
    const keys: string[] = [key, ...(AMOUNT_OF[key] === undefined ? [] : [AMOUNT_OF[key]])];
    return keys.map((each) => {
      const { source, formula } = derivations[each] ?? { source: 'default', formula: '' };
      const unit = each === key ? rule.unit : 'tokens';
      const value = limits[each as LimitKey];
      return [
        each,
        value === null ? 'off' : count(value),
        value === null ? '' : unit,
        source,
        formula === source || formula === String(value) ? '' : grouped(formula),
        (rule as LimitKeyRule).about,
      ];
    });
  });
  const lines = grid(
    [
      { title: 'Limit' },
      { title: 'Value', align: 'right' },
      { title: 'Unit', expendable: 2 },
      { title: 'Source' },
      { title: 'From', flexible: true },
      { title: 'What it limits', flexible: true, expendable: 3 },
    ],
    rows,
    screen,
  );
  return [`Revision ${String(revision)}`, '', ...lines, ...aiTypeLines(settings, screen)].join(
    '\n',
  );
}

function aiTypeLines({ aiTypes }: Settings, screen: Screen): string[] {
  const rows = Object.entries(aiTypes).map(([name, own]) => [
    name,
    ...AI_TYPE_LIMIT_KEYS.map((key) => (own[key] === undefined ? '-' : count(own[key]))),
  ]);
  if (rows.length === 0) return [];
  const columns = AI_TYPE_LIMIT_KEYS.map((title) => ({ title, align: 'right' as const }));
  const note =
    "AI types' own limits, each set as an amount. They bind beside the global ones; where there is none (-), those alone do.";
  return [
    '',
    ...hang('', note, screen.width),
    ...grid([{ title: 'AI type' }, ...columns], rows, screen),
  ];
}

export interface HistoryRow {
  readonly revision: number;
  readonly settings: Settings;
  readonly source: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly at: string;
}

/** Every revision, the newest first: when, by which command and whom, what it changed, and why. */
export function limitHistoryView(rows: readonly HistoryRow[], screen: Screen): string {
  return grid(
    [
      { title: 'Rev', align: 'right' },
      { title: 'When' },
      // In one column, so that a narrow screen leaves none of them out.
      { title: 'By whom, what changed, and why', flexible: true },
    ],
    rows.map(({ revision, at, actor, source, settings, reason }, place) => [
      String(revision),
      timeText(at),
      `${source}${actor === null ? '' : ` by ${actor}`}: ${changeText(rows[place + 1]?.settings, settings, screen)}${reason === null ? '' : ` (${reason})`}`,
    ]),
    screen,
  ).join('\n');
}

/** `hourly 2% -> 2800, sandbox monthly unset -> 50000`; of the first revision, what it sets. */
function changeText(before: Settings | undefined, after: Settings, { symbols }: Screen): string {
  const [old, now] = [flat(before ?? NO_SETTINGS), flat(after)];
  const changes = [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key) ?? 'unset', now.get(key) ?? 'unset'];
    if (was === is) return [];
    return [before === undefined ? `${key}=${is}` : `${key} ${was} ${symbols.arrow} ${is}`];
  });
  // Without a comma a first amount of any length fits a narrow column.
  if (changes.length > 0) return changes.join(before === undefined ? ' ' : ', ');
  return before === undefined ? 'the defaults' : 'no change';
}

/** Each setting by its key, behind the AI type whose it is. */
function flat({ global, aiTypes }: Settings): Map<string, string> {
  const scopes: [string, object][] = [
    ['', global],
    ...Object.entries(aiTypes).map(([name, own]): [string, object] => [`${name} `, own]),
  ];
  return new Map(
    scopes.flatMap(([lead, own]) =>
      Object.entries(own).map(([key, value]) => [`${lead}${key}`, String(value)] as const),
    ),
  );
}

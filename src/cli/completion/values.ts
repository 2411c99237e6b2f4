import type { Command } from 'commander';
import { SCOPES } from '../../budget/access-token.ts';
import { KNOWN_AI_TYPES } from '../../budget/ai-type.ts';
import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  type LimitKey,
  type LimitKeyRule,
} from '../../budget/limits.ts';
import { PROFILES } from '../../budget/settings.ts';
import { USAGE_GROUPS, USAGE_ORDERS } from '../../budget/usage-query.ts';
import { isoTime, WINDOW_KINDS } from '../../budget/windows.ts';
import { REQUEST_STATES } from '../../ledger/port.ts';
import { SERVICES } from '../service/unit.ts';
import { SHELLS, subcommand } from '../table/shared.ts';
import { TOPICS } from '../table/topics.ts';
import { PLACEHOLDERS } from '../views/status-line.ts';
import type { Candidate, LiveValues } from './live.ts';
import type { Place } from './place.ts';

/** The shell completes names of files by itself. */
export const FILES = 'files';

export interface Asked {
  readonly place: Place;
  readonly live: LiveValues;
  readonly nowMs: number;
}

type Values = readonly Candidate[] | typeof FILES;
type Source = (asked: Asked) => Values | Promise<Values>;

/** What may be written where the help shows `<type>`, `<state>` and so on; nothing is known of others. */
const SOURCES: Readonly<Record<string, Source>> = {
  type: aiTypes,
  state: () => words(REQUEST_STATES),
  model: async ({ live }) => words(await live.namesIn('model')),
  'request-type': async ({ live }) => words(await live.namesIn('request-type')),
  group: () => words(USAGE_GROUPS),
  order: () => words(USAGE_ORDERS),
  window: () => words([...WINDOW_KINDS, 'all']),
  month: ({ nowMs }) => words(lastMonths(nowMs)),
  template: templates,
  format: () => words(['csv', 'jsonl']),
  name: () => words(Object.keys(PROFILES)),
  'key=value': assignments,
  key: (asked) => keysLeft(asked).map((key) => ({ value: key, about: LIMIT_KEYS[key].about })),
  id: ({ live }) => live.resets(),
  rev: ({ live }) => live.revisions(),
  scope: () => words(SCOPES),
  token: ({ live }) => live.tokens(),
  channel: async ({ live }) => words(await live.channels()),
  shell: () => words(SHELLS),
  service: () => words(SERVICES),
  command: commandsAndTopics,
  file: () => FILES,
  url: () => FILES,
};

/** The values of what the help calls `name`. */
export async function valuesOf(name: string, asked: Asked): Promise<Values> {
  return (Object.hasOwn(SOURCES, name) ? await SOURCES[name]?.(asked) : undefined) ?? [];
}

function words(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, about: '' }));
}

async function aiTypes({ live }: Asked): Promise<Candidate[]> {
  return words([...new Set([...(await live.aiTypes()), ...KNOWN_AI_TYPES])].toSorted());
}

const MONTHS = 12;

/** The month of an instant and those before it, the newest first. */
function lastMonths(nowMs: number): string[] {
  const now = new Date(nowMs);
  return Array.from({ length: MONTHS }, (_, back) =>
    isoTime(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)).slice(0, 7),
  );
}

/** `hourly=` of each limit that the line does not name yet; once it is written, what may follow it. */
async function assignments(asked: Asked): Promise<Candidate[]> {
  const keys = keysLeft(asked);
  const [written] = asked.place.text.split('=', 1);
  const key = keys.find((each) => asked.place.text.includes('=') && each === written);
  if (key === undefined) {
    return keys.map((each) => ({ value: `${each}=`, about: LIMIT_KEYS[each].about }));
  }
  const { given } = asked.place;
  const [, aiType = null] = [...given].find(([each]) => each.attributeName() === 'aiType') ?? [];
  const rule: LimitKeyRule = LIMIT_KEYS[key];
  const current = await asked.live.limit(key, aiType);
  const values = new Map<string, string>([
    ...(current === null ? [] : [[current, 'now'] as const]),
    ...(rule.off && !ofAiType(asked.place) ? [['off', 'no limit'] as const] : []),
  ]);
  // A shell inserts a single candidate by itself: nobody has asked for it yet.
  if (values.size < 2 && asked.place.text === `${key}=`) return [];
  return [...values].map(([value, about]) => ({ value: `${key}=${value}`, about }));
}

function keysLeft({ place }: Asked): readonly LimitKey[] {
  const keys = ofAiType(place) ? AI_TYPE_LIMIT_KEYS : (Object.keys(LIMIT_KEYS) as LimitKey[]);
  const taken = place.operands.map((word) => word.split('=', 1)[0]);
  return keys.filter((key) => !taken.includes(key));
}

function ofAiType({ given }: Place): boolean {
  return [...given.keys()].some((option) => option.attributeName() === 'aiType');
}

/** The template as far as it is written, and a placeholder. */
function templates({ place: { text } }: Asked): Candidate[] {
  const written = text.slice(0, Math.max(0, text.lastIndexOf('{')));
  return PLACEHOLDERS.map(({ name, about }) => ({ value: `${written}{${name}}`, about }));
}

/** What `tokenctl help` shows: commands, the subcommands of one, and topics. */
function commandsAndTopics({ place: { command: help, operands } }: Asked): Candidate[] {
  let command = help.parent;
  for (const word of operands) command = (command && subcommand(command, word)) ?? null;
  if (command === null) return [];
  const commands = subcommands(command);
  return operands.length > 0
    ? commands
    : [...commands, ...TOPICS.map(({ name, about }) => ({ value: name, about }))];
}

/** The subcommands that the help shows. */
export function subcommands(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ value: each.name(), about: each.description() }));
}

import type { App } from '../../app.ts';
import type { LimitKey } from '../../budget/limits.ts';
import { exists } from '../../platform/files.ts';
import { configOf, targetOf, type CommandContext } from '../context.ts';

/** What may stand on a line. */
export interface Candidate {
  readonly value: string;
  /** A short description; may be empty. */
  readonly about: string;
}

/** Values that only the database or the configuration knows. Where it can't be asked in a moment there are none. */
export interface LiveValues {
  /** The AI types of this month, and those that have limits of their own. */
  aiTypes(): Promise<string[]>;
  /** The models, or request types, that requests of this month named; without those that a shell would read as more than a word. */
  namesIn(group: 'model' | 'request-type'): Promise<string[]>;
  /** The resets that can be undone. */
  resets(): Promise<Candidate[]>;
  /** The revisions of the limits. */
  revisions(): Promise<Candidate[]>;
  /** What a limit is now, as `limits set` takes it: the global one, or an AI type's own; null where it has none. */
  limit(key: LimitKey, aiType: string | null): Promise<string | null>;
  /** The access tokens that can be revoked. */
  tokens(): Promise<Candidate[]>;
  /** The alert channels of the configuration. */
  channels(): Promise<string[]>;
}

/** Half a second for a transaction: with connecting and hanging up it stays within one. */
const TIMEOUT_MS = 500;

const MOST_NAMES = 100;
/** Of other programs' texts only these are offered: a shell inserts them as they are. */
const PLAIN_WORD = /^[a-z0-9][\w.:/@-]{0,99}$/i;

/** @param context with the `--database` and `--config` of the line that is completed */
export function liveValues(context: CommandContext): LiveValues {
  return {
    aiTypes: () =>
      ask(context, async (app) => {
        const { aiTypes, windows } = await app.status();
        const scopes = windows.map(({ scope }) => scope).filter((scope) => scope !== 'global');
        return [...aiTypes.map(({ aiType }) => aiType), ...scopes];
      }),
    namesIn: (group) =>
      ask(context, async (app) => {
        const { usageQuery } = await import('../../budget/usage-query.ts');
        const asked = { by: [group], limit: MOST_NAMES };
        const { rows } = await app.usage(usageQuery(asked, context.runtime.nowMs(), ''));
        return rows
          .map(({ model, requestType }) => model ?? requestType ?? '')
          .filter((name) => PLAIN_WORD.test(name));
      }),
    resets: () =>
      ask(context, async (app) =>
        (await app.resets()).flatMap(({ id, at, reason, undone }) =>
          undone ? [] : [{ value: String(id), about: aboutChange(at, reason) }],
        ),
      ),
    revisions: () =>
      ask(context, async (app) =>
        (await app.limitHistory()).map(({ revision, at, reason }) => ({
          value: String(revision),
          about: aboutChange(at, reason),
        })),
      ),
    limit: async (key, aiType) => {
      const found = await ask(context, async (app) => {
        const { settings, limits } = await app.limits();
        if (aiType === null) return [settings.global[key] ?? limits[key] ?? 'off'];
        const own: Partial<Record<LimitKey, number>> = settings.aiTypes[aiType] ?? {};
        return own[key] === undefined ? [] : [own[key]];
      });
      return found[0] === undefined ? null : String(found[0]);
    },
    tokens: () =>
      ask(context, async (app) =>
        (await app.tokens()).flatMap(({ prefix, name, revokedAtMs }) =>
          revokedAtMs === null ? [{ value: prefix, about: name }] : [],
        ),
      ),
    channels: () => channelNames(context),
  };
}

async function channelNames(context: CommandContext): Promise<string[]> {
  try {
    const channels = ((await configOf(context)).alertChannels?.channels ?? []) as {
      name?: unknown;
    }[];
    return channels.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
  } catch {
    return [];
  }
}

/** Nothing is created, migrated, or said: a prompt is no place for what `tokenctl status` would tell. */
async function ask<T>(context: CommandContext, read: (app: App) => Promise<T[]>): Promise<T[]> {
  try {
    const { target } = await targetOf(context);
    if (target.kind === 'sqlite' && !exists(target.url)) return [];
    const { openApp } = await import('../../app.ts');
    const app = await openApp({
      // The default file would be brought up to date.
      target: { ...target, source: 'flag' },
      runtime: context.runtime,
      timeoutMs: TIMEOUT_MS,
    });
    try {
      return await read(app);
    } finally {
      await app.close();
    }
  } catch {
    return [];
  }
}

function aboutChange(at: string, reason: string | null): string {
  return reason === null ? at : `${at} ${reason}`;
}

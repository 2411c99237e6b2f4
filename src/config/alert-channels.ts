import { dirname, join, resolve } from 'node:path';
import * as z from 'zod/mini';
import { ALERT_KINDS } from '../budget/alert-kinds.ts';
import { invalidInput } from '../budget/errors.ts';
import { parseQuietHours, type QuietHours } from '../budget/quiet-hours.ts';

/**
 * `alerts.channels` of a configuration file. Checked when a monitor starts, not by every command: a
 * mistake in it must not keep `status` from working.
 */

/** Where a secret is: the configuration never holds one. */
const reference = z.union([
  z.strictObject({ env: z.string() }),
  z.strictObject({ file: z.string() }),
]);
type Reference = z.infer<typeof reference>;

const common = {
  name: z.string(),
  minLevel: z.optional(z.enum(['warning', 'critical', 'emergency'])),
  kinds: z.optional(z.array(z.enum(ALERT_KINDS))),
  quietHours: z.optional(
    z.strictObject({ from: z.string(), to: z.string(), tz: z.optional(z.string()) }),
  ),
  digestMinutes: z.optional(z.number()),
};
const url = z.union([z.string(), reference]);
const allowPrivate = z.optional(z.array(z.string()));

const SCHEMAS = {
  webhook: z.strictObject({
    type: z.literal('webhook'),
    ...common,
    url,
    secret: z.optional(reference),
    format: z.optional(z.enum(['standard', 'alertmanager'])),
    template: z.optional(z.record(z.string(), z.unknown())),
    allowPrivate,
  }),
  slack: z.strictObject({ type: z.literal('slack'), ...common, url: reference, allowPrivate }),
  email: z.strictObject({
    type: z.literal('email'),
    ...common,
    smtp: url,
    from: z.string(),
    to: z.union([z.string(), z.array(z.string())]),
    allowPrivate,
  }),
};
type Type = keyof typeof SCHEMAS;
const TYPES = Object.keys(SCHEMAS) as Type[];

/** `alerts.channels[0].url in FILE`; without a key the channel itself. */
type Place = (key?: string) => string;

interface CommonSettings {
  /** Names one of its keys in messages. */
  readonly place: Place;
  /** Its name in the outbox. */
  readonly name: string;
  readonly minLevel: 'warning' | 'critical' | 'emergency';
  /** Null is every kind. */
  readonly kinds: readonly (typeof ALERT_KINDS)[number][] | null;
  readonly quietHours: QuietHours | null;
  /** How long all but emergencies wait for each other, in minutes from 1 to 1440; null is not at all. */
  readonly digestMinutes: number | null;
}

interface HttpSettings extends CommonSettings {
  readonly url: URL;
  /** Hosts that may have a private address, and that are spoken to without encryption. */
  readonly allowPrivate: readonly string[];
}

interface WebhookSettings extends HttpSettings {
  readonly type: 'webhook';
  readonly secret: string | null;
  readonly format: 'standard' | 'alertmanager' | 'template';
  /** Of the format `template`. */
  readonly template: Readonly<Record<string, unknown>> | null;
}

interface SlackSettings extends HttpSettings {
  readonly type: 'slack';
}

interface EmailSettings extends CommonSettings {
  readonly type: 'email';
  readonly smtp: URL;
  readonly from: string;
  readonly to: readonly string[];
  /** Hosts that are spoken to without encryption where they offer none. */
  readonly allowPrivate: readonly string[];
}

/** A channel with its secrets. Never to be shown. */
export type ChannelSettings = WebhookSettings | SlackSettings | EmailSettings;

export interface ChannelInputs {
  /** As the configuration file has them, and the file. */
  readonly channels: readonly unknown[];
  readonly file: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads a file that holds a secret; null where there is none. */
  readonly readSecret: (path: string) => string | null;
}

/** @throws invalid_input naming file, channel and key, and never what a secret holds */
export function parseChannels(inputs: ChannelInputs): ChannelSettings[] {
  const names = new Map<string, string>();
  return inputs.channels.map((raw, index) => {
    const place: Place = (key) =>
      `alerts.channels[${String(index)}]${key === undefined ? '' : `.${key}`} in ${inputs.file}`;
    const settings = parseChannel(raw, place, inputs);
    const first = names.get(settings.name);
    if (first !== undefined) {
      throw invalidInput(place('name'), `"${settings.name}" is the name of ${first} too`);
    }
    names.set(settings.name, `alerts.channels[${String(index)}]`);
    return settings;
  });
}

function parseChannel(raw: unknown, place: Place, inputs: ChannelInputs): ChannelSettings {
  const type = (raw as { type?: unknown } | null)?.type as Type | undefined;
  if (type === undefined || !TYPES.includes(type)) {
    throw invalidInput(place('type'), `must be one of ${TYPES.join(', ')}`);
  }
  const { success, data, error } = SCHEMAS[type].safeParse(raw, { reportInput: true });
  if (!success) throw problemOf(error.issues[0], type, place);
  const base = commonSettings(data, place);
  const secretOf = (key: string, from: string | Reference): string =>
    typeof from === 'string' ? from : readReference(from, place(key), inputs);
  switch (data.type) {
    case 'webhook': {
      const { format, template = null } = data;
      if (format !== undefined && template !== null) {
        throw invalidInput(place('template'), 'stands beside format', 'leave one of them out');
      }
      if (base.digestMinutes !== null && template !== null) {
        throw invalidInput(
          place('digestMinutes'),
          'stands beside template, which has the values of one alert alone',
          'leave one of them out',
        );
      }
      return {
        ...base,
        type: 'webhook',
        ...httpSettings(secretOf('url', data.url), data.allowPrivate, place),
        secret: data.secret === undefined ? null : secretOf('secret', data.secret),
        format: template === null ? (format ?? 'standard') : 'template',
        template,
      };
    }
    case 'slack':
      return {
        ...base,
        type: 'slack',
        ...httpSettings(secretOf('url', data.url), data.allowPrivate, place),
      };
    case 'email': {
      const smtp = parseUrl(secretOf('smtp', data.smtp), place('smtp'), ['smtp:', 'smtps:']);
      if (typeof data.smtp === 'string' && smtp.password !== '') {
        throw invalidInput(place('smtp'), 'holds a password', REFERENCE);
      }
      if (smtp.search !== '' || smtp.hash !== '' || smtp.pathname.length > 1) {
        throw invalidInput(place('smtp'), 'has more than a user, a password, a host and a port');
      }
      const to = typeof data.to === 'string' ? [data.to] : data.to;
      if (to.length === 0) throw invalidInput(place('to'), 'names nobody');
      return {
        ...base,
        type: 'email',
        smtp,
        from: address(data.from, place('from')),
        to: to.map((each) => address(each, place('to'))),
        allowPrivate: hostsOf(data.allowPrivate),
      };
    }
  }
}

function commonSettings(
  { name, minLevel = 'warning', kinds, quietHours, digestMinutes }: z.infer<(typeof SCHEMAS)[Type]>,
  place: Place,
): CommonSettings {
  if (!/^[a-z0-9][a-z0-9_.-]{0,49}$/.test(name) || name === 'console' || name === 'file') {
    throw invalidInput(
      place('name'),
      'must be 1 to 50 of a-z, 0-9, _ . - and neither console nor file, which are channels already',
    );
  }
  const hours =
    quietHours === undefined
      ? null
      : parseQuietHours((key) => place(`quietHours.${key}`), quietHours);
  if (digestMinutes !== undefined && !isDigest(digestMinutes)) {
    throw invalidInput(
      place('digestMinutes'),
      `must be a whole number from 1 to ${String(LONGEST_DIGEST)}`,
      'leave it out to be told of each at once',
    );
  }
  return {
    ...{ place, name, minLevel, kinds: kinds ?? null, quietHours: hours },
    digestMinutes: digestMinutes ?? null,
  };
}

/** A day. */
const LONGEST_DIGEST = 1_440;

function isDigest(minutes: number): boolean {
  return Number.isInteger(minutes) && minutes >= 1 && minutes <= LONGEST_DIGEST;
}

function hostsOf(hosts: readonly string[] | undefined): string[] {
  return (hosts ?? []).map((host) => host.toLowerCase());
}

function httpSettings(
  text: string,
  hosts: readonly string[] | undefined,
  place: Place,
): Pick<HttpSettings, 'url' | 'allowPrivate'> {
  const parsed = parseUrl(text, place('url'), ['https:', 'http:']);
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalidInput(place('url'), 'holds a user or password, which would not be sent');
  }
  const allowed = hostsOf(hosts);
  if (parsed.protocol === 'http:' && !allowed.includes(parsed.hostname)) {
    throw invalidInput(
      place('url'),
      'must be https:// (http:// only to a host that allowPrivate names)',
    );
  }
  return { url: parsed, allowPrivate: allowed };
}

function parseUrl(text: string, field: string, protocols: readonly string[]): URL {
  const accepted = `write ${protocols.map((each) => `${each}//HOST/…`).join(' or ')}`;
  if (!URL.canParse(text)) throw invalidInput(field, 'is no URL that can be read', accepted);
  const parsed = new URL(text);
  if (!protocols.includes(parsed.protocol) || parsed.hostname === '') {
    throw invalidInput(field, `must begin with ${protocols.join('// or ')}//`, accepted);
  }
  return parsed;
}

function address(text: string, field: string): string {
  if (/^[^\s@<>,;:"]+@[^\s@<>,;:"]+$/.test(text)) return text;
  throw invalidInput(
    field,
    `"${text.slice(0, 60).replaceAll(/\p{C}/gu, '?')}" is no mail address`,
    'write it plain: ops@example.com',
  );
}

const REFERENCE = 'write { "env": "NAME" } or { "file": "PATH" }';

/** A relative file lies in systemd's directory of credentials, else beside the configuration. */
function readReference(
  from: Reference,
  field: string,
  { file, environment, readSecret }: ChannelInputs,
): string {
  if ('env' in from) {
    const value = environment[from.env]?.trim() ?? '';
    if (value === '') throw invalidInput(field, `the environment has no ${from.env}`);
    return value;
  }
  const credentials = environment['CREDENTIALS_DIRECTORY'];
  const places = [
    ...(credentials === undefined || credentials === '' ? [] : [join(credentials, from.file)]),
    resolve(dirname(file), from.file),
  ];
  for (const place of places) {
    const secret = readSecret(place)?.trim();
    if (secret === '') throw invalidInput(field, `the file ${place} is empty`);
    if (secret !== undefined) return secret;
  }
  throw invalidInput(field, `there is no file ${places.join(' and no ')}`);
}

function problemOf(issue: z.core.$ZodIssue | undefined, type: Type, place: Place): Error {
  const path = issue?.path.map(String).join('.') ?? '';
  const field = place(path === '' ? undefined : path);
  switch (issue?.code) {
    case 'unrecognized_keys': {
      const keys = path === '' ? Object.keys(SCHEMAS[type].shape).join(', ') : null;
      const unknown = issue.keys.join('", "');
      return invalidInput(
        field,
        `has no key "${unknown}"`,
        keys === null ? undefined : `the keys are: ${keys}`,
      );
    }
    case 'invalid_value':
      return invalidInput(field, `must be one of ${issue.values.map(String).join(', ')}`);
    case 'invalid_type':
      return issue.input === undefined
        ? invalidInput(field, 'is needed')
        : invalidInput(field, `must be ${WORDS[issue.expected] ?? issue.expected}`);
    case 'invalid_union':
      return ['url', 'smtp', 'secret'].includes(path)
        ? invalidInput(
            field,
            issue.input === undefined ? 'is needed' : 'is not as it should be',
            REFERENCE,
          )
        : invalidInput(field, 'must be text, or a list of texts');
    default:
      return invalidInput(field, issue?.message ?? 'is not as it should be');
  }
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

import { join, resolve } from 'node:path';
import type { Channel } from '../alerts/channel.ts';
import { isQuiet } from '../budget/quiet-hours.ts';
import type { ChannelSettings } from '../config/alert-channels.ts';
import { readTextFile } from '../platform/files.ts';
import type { Runtime } from '../platform/runtime.ts';
import { configOf, type CommandContext } from './context.ts';
import type { Output } from './output.ts';
import { SEVERITIES } from './views/monitor.ts';
import { hang } from './views/text.ts';

/** The alert log's name, in the user's data directory unless it is put elsewhere. */
const ALERT_LOG = 'token_usage_alerts.json';

/** How long it may become unless the configuration says so, in bytes. */
const MAX_BYTES = 10 * 1_024 * 1_024;

export interface AlertLog {
  readonly path: string;
  /** A line that would make it longer begins a new file. */
  readonly maxBytes: number;
}

const LEAD = 'tokenctl: ';

/** The channels that every monitor tells by itself: its console, and the alert log. */
export async function ownChannels(
  { path, maxBytes }: AlertLog,
  output: Output,
): Promise<Channel[]> {
  const { fileChannel } = await import('../alerts/channels/file.ts');
  return [consoleChannel(output), fileChannel(path, maxBytes)];
}

/**
 * TOKENCTL_ALERTS_FILE, else the configuration's `alerts.file`, else in the user's data directory.
 * @throws invalid_input
 */
export async function alertLogOf(context: CommandContext): Promise<AlertLog> {
  const { environment, directory, dataDirectory } = context.host;
  const { alertFile, alertFileMaxBytes } = await configOf(context);
  const named = environment['TOKENCTL_ALERTS_FILE']?.trim() ?? '';
  const path =
    named === '' ? (alertFile ?? join(dataDirectory, ALERT_LOG)) : resolve(directory, named);
  return { path, maxBytes: alertFileMaxBytes ?? MAX_BYTES };
}

/** The channels of the configuration. @throws invalid_input for one that can't be used */
export async function configuredChannels(context: CommandContext): Promise<Channel[]> {
  const { alertChannels } = await configOf(context);
  if (alertChannels === null) return [];
  const { parseChannels } = await import('../config/alert-channels.ts');
  const settings = parseChannels({
    ...alertChannels,
    environment: context.host.environment,
    readSecret: readTextFile,
  });
  return Promise.all(settings.map((each) => channelOf(each, context.runtime)));
}

async function channelOf(settings: ChannelSettings, runtime: Runtime): Promise<Channel> {
  const { minLevel, kinds, quietHours, digestMinutes } = settings;
  return {
    ...(await senderOf(settings, runtime)),
    minLevel,
    ...(kinds === null ? {} : { kinds }),
    ...(digestMinutes === null ? {} : { digestMs: digestMinutes * 60_000 }),
    quietAt: (atMs) => quietHours !== null && isQuiet(quietHours, atMs),
  };
}

/** Each with the packages that it needs, which a monitor without it never loads. */
async function senderOf(settings: ChannelSettings, runtime: Runtime): Promise<Channel> {
  switch (settings.type) {
    case 'webhook':
      return (await import('../alerts/channels/webhook.ts')).webhookChannel(settings, runtime);
    case 'slack':
      return (await import('../alerts/channels/slack.ts')).slackChannel(settings, runtime);
    case 'email':
      return (await import('../alerts/channels/email.ts')).emailChannel(settings);
  }
}

/** Says on standard error what is raised, and what is over. */
function consoleChannel(output: Output): Channel {
  return {
    name: 'console',
    events: ['raised', 'resolved'],
    send: ({ level, message }, event) => {
      const { colors, width } = output.stderrScreen;
      const name = level.toUpperCase();
      const [word, paint, rest] =
        event === 'raised'
          ? [name, colors.red, message]
          : ['resolved', colors.green, `${name}, which was: ${message}`];
      // Between words on a terminal; whole for a log file and grep.
      const lines = output.stderrIsTTY
        ? hang(LEAD, `${word} ${rest}`, width)
        : [`${LEAD}${word} ${rest}`];
      const severity = event === 'raised' ? SEVERITIES[level] : 'notice';
      output.message(
        lines.join('\n').replace(word, () => paint(word)),
        severity,
      );
      return Promise.resolve();
    },
  };
}

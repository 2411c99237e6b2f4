import { join, resolve } from 'node:path';
import type { Channel } from '../alerts/channel.ts';
import { configOf, type CommandContext } from './context.ts';
import type { Output } from './output.ts';
import { SEVERITIES } from './views/monitor.ts';

/** The alert log's name, in the user's data directory unless it is put elsewhere. */
const ALERT_LOG = 'token_usage_alerts.json';

/** The channels that a monitor tells: its console, and the alert log. */
export async function channelsOf(alertLog: string, output: Output): Promise<Channel[]> {
  const { fileChannel } = await import('../alerts/channels/file.ts');
  return [consoleChannel(output), fileChannel(alertLog)];
}

/**
 * TOKENCTL_ALERTS_FILE, else the configuration's `alerts.file`, else in the user's data directory.
 * @throws invalid_input
 */
export async function alertLogOf(context: CommandContext): Promise<string> {
  const { environment, directory, dataDirectory } = context.host;
  const named = environment['TOKENCTL_ALERTS_FILE']?.trim() ?? '';
  if (named !== '') return resolve(directory, named);
  return (await configOf(context)).alertFile ?? join(dataDirectory, ALERT_LOG);
}

/** Says on standard error what is raised, and what is over. */
function consoleChannel(output: Output): Channel {
  return {
    name: 'console',
    events: ['raised', 'resolved'],
    send: ({ level, message }, event) => {
      const { red, green } = output.stderrScreen.colors;
      const word = level.toUpperCase();
      if (event === 'raised') {
        output.message(`tokenctl: ${red(word)} ${message}`, SEVERITIES[level]);
      } else {
        output.message(`tokenctl: ${green('resolved')} ${word}, which was: ${message}`, 'notice');
      }
      return Promise.resolve();
    },
  };
}

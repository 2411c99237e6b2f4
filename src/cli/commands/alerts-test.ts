import type { Channel } from '../../alerts/channel.ts';
import { testAlert } from '../../alerts/test-alert.ts';
import { invalidInput } from '../../budget/errors.ts';
import { configuredChannels } from '../alert-channels.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { testView, type ChannelTest } from '../views/alerts.ts';

interface TestOptions {
  readonly channel?: string;
}

export async function testChannels(
  context: CommandContext,
  { channel: only }: TestOptions,
): Promise<number> {
  const { output, runtime } = context;
  const all = await configuredChannels(context);
  if (all.length === 0) {
    throw invalidInput('alerts.channels', 'the configuration has none', 'see docs/alerts.md');
  }
  const channels = all.filter(({ name }) => only === undefined || name === only);
  if (channels.length === 0) {
    const names = all.map(({ name }) => name).join(', ');
    throw invalidInput('--channel', `there is no channel "${only ?? ''}"`, `one of ${names}`);
  }
  const alert = testAlert(runtime.nowMs(), runtime.newId());
  const test = async (channel: Channel): Promise<ChannelTest> => {
    const startedMs = runtime.monotonicMs();
    const error = await channel.send(alert, 'raised').then(
      () => null,
      (problem: unknown) => (problem instanceof Error ? problem.message : String(problem)),
    );
    const ms = Math.round(runtime.monotonicMs() - startedMs);
    return { channel: channel.name, ok: error === null, ms, error };
  };
  const channelTests = await Promise.all(channels.map(test));
  if (output.json) output.document({ channels: channelTests });
  else output.result(testView(channelTests, output.screen));
  return channelTests.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
}

import { TokenctlError } from '../../budget/errors.ts';
import type { AlertFacts, Fact } from '../../ledger/health/facts.ts';
import type { CommandContext } from '../context.ts';
import { counted, duration } from '../views/text.ts';
import { note, ok, problem, type Check } from './check.ts';

/** A silence that lasts longer was forgotten, or should be a change of the configuration. */
const LONG_SILENCE_MS = 86_400_000;

/** Whether a monitor could start with the channels and kinds of the configuration. Sends nothing. */
export async function channelCheck(context: CommandContext): Promise<Check> {
  const { Alerting } = await import('../monitor/alerting.ts');
  try {
    const names = (await Alerting.of(context)).postman.channels.map(({ name }) => name);
    if (names.length === 0) {
      return ok('channels', 'none in the configuration: console and alert log alone are told');
    }
    return ok(
      'channels',
      `${names.join(', ')}: as they should be; tokenctl alerts test tries them`,
    );
  } catch (error) {
    if (!(error instanceof TokenctlError)) throw error;
    const fix = error.fix ?? 'mend the configuration: until then no monitor starts';
    return problem('channels', error.message, fix);
  }
}

/** What was not told, and a silence that lasts for long; nothing where this role may not read them. */
export function alertChecks(facts: Fact<AlertFacts>, nowMs: number): Check[] {
  if (!('value' in facts)) return [];
  const { dead, silentFromMs, silentUntilMs } = facts.value;
  const silentMs = silentFromMs === null ? 0 : nowMs - silentFromMs;
  const checks = [
    ...(dead === 0
      ? []
      : [
          note(
            'alerts',
            `${counted(dead, 'message')} of alerts could not be told and ${dead === 1 ? 'was' : 'were'} given up`,
            'tokenctl alerts retry',
          ),
        ]),
    ...(silentMs < LONG_SILENCE_MS
      ? []
      : [
          note(
            'alerts',
            `silent for ${duration(silentMs)}, and ${duration((silentUntilMs ?? nowMs) - nowMs)} more: no channel of the configuration is told`,
            'tokenctl alerts silence --off',
          ),
        ]),
  ];
  return checks.length === 0 ? [ok('alerts', 'none waits that was given up')] : checks;
}

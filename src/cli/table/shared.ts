import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';

/** What the entries of the command table share. */

/**
 * Makes a command's action: the arguments as commander gives them, then what the command does. Without
 * `mayCreate` a database that is missing is told.
 */
export type Does = (
  load: (context: CommandContext, ...args: never[]) => Promise<number>,
  mayCreate?: MayCreate,
) => (...given: unknown[]) => Promise<void>;

/**
 * Whether a command with these options may create the default database: where it writes the first thing
 * or starts a service. One that was just created would look healthy where only the environment is wrong.
 */
export type MayCreate = (options: Readonly<Record<string, unknown>>) => boolean;

export const CREATES: MayCreate = () => true;
export const CREATES_UNLESS_DRY: MayCreate = ({ dryRun }) => dryRun !== true;

/** The shells that can be completed in. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const AI_TYPE =
  'AI type: 1 to 50 of a-z, 0-9, _ . - (imperium, guardian, sandbox, conquest, …)';
export const OTLP = [
  '--otlp [url]',
  'send metrics to an OpenTelemetry collector, by OTLP over HTTP (else OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, else OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318)',
] as const;
export const REASON = 'why, for the record';
export const DRY_RUN = 'show what would change, and change nothing';

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** Makes a group of commands do something by itself, when it is called without one of them. */
export function byItself(group: Command, show: (...given: unknown[]) => Promise<void>): void {
  group.allowExcessArguments().action(async (options: unknown, command: Command) => {
    // The default action would take a mistyped subcommand for an argument too many.
    if (command.args.length > 0) (command as Command & { unknownCommand(): void }).unknownCommand();
    await show(options, command);
  });
}

/** The subcommand of this name. */
export function subcommand(command: Command, name: string): Command | undefined {
  return command.commands.find((one) => one.name() === name);
}

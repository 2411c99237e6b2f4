import type { Command } from 'commander';
import { DRY_RUN, examples, type Does } from './shared.ts';

export function addService(program: Command, does: Does): void {
  const service = program
    .command('service')
    .description(
      'the monitor, the HTTP API or the gateway as a systemd service: its unit, and how it is',
    )
    .addHelpText(
      'after',
      examples('tokenctl service install --user', 'tokenctl service status --user'),
    );
  const of = (command: Command): Command =>
    command
      .option('--user', 'a service of your own')
      .option('--system', 'a service of the whole machine, with a user of its own')
      .option('--name <service>', 'monitor, serve or gateway (default: monitor)');
  const changing = (command: Command): Command =>
    of(command)
      .option('--dry-run', DRY_RUN)
      .option('--force', 'also where someone has changed the unit');
  changing(
    service.command('install').description('write and explain the unit, and print what starts it'),
  )
    .addHelpText(
      'after',
      examples(
        'tokenctl service install --user',
        'tokenctl service install --system --dry-run',
        'sudo tokenctl service install --system --name gateway',
      ) +
        '\nThe database is the one that --database, the environment or the configuration\nnames. A URL is never put into the unit: it is read from a file.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/service.ts')).installService(context, options),
      ),
    );
  changing(
    service.command('uninstall').description('remove the unit, and print what stops the service'),
  )
    .addHelpText('after', examples('tokenctl service uninstall --user'))
    .action(
      does(async (context, options) =>
        (await import('../commands/service.ts')).uninstallService(context, options),
      ),
    );
  of(service.command('status').description('is it installed, does it run, what does it say'))
    .addHelpText(
      'after',
      examples('tokenctl service status --user', 'tokenctl service status --system --json') +
        '\nExits 0 when it is installed and active, 3 when not.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/service.ts')).serviceStatus(context, options),
      ),
    );
}

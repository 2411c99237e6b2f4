import type { Command } from 'commander';
import { byItself, examples, REASON, type Does } from './shared.ts';

export function addAlerts(program: Command, does: Does): void {
  const alerts = program
    .command('alerts')
    .description('what was raised and told, and what could not be told; silence, test, retry')
    .addHelpText(
      'after',
      examples(
        'tokenctl alerts',
        'tokenctl alerts test',
        'tokenctl alerts silence --for 2h --reason "load test"',
      ),
    );
  const list = does(async (context, options) =>
    (await import('../commands/alerts.ts')).listAlerts(context, options),
  );
  byItself(alerts, list);
  alerts
    .command('list')
    .description('the newest alerts, the newest first, with their deliveries')
    .option('--limit <count>', 'the most that are listed, 1 to 500 (default: 50)')
    .option('--open', 'only those that are raised now')
    .addHelpText(
      'after',
      examples('tokenctl alerts list --open', 'tokenctl alerts list --limit 500 --json'),
    )
    .action(list);
  alerts
    .command('test')
    .description(
      'send a test message through the channels of the configuration, and say what came back',
    )
    .option('--channel <channel>', 'only this one')
    .addHelpText(
      'after',
      examples('tokenctl alerts test', 'tokenctl alerts test --channel ops-slack') +
        '\nNeeds no database. Exits 1 when a channel could not be told.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/alerts-test.ts')).testChannels(context, options),
      ),
    );
  alerts
    .command('retry')
    .description('let the monitor try again what it has given up; without an id all of it')
    .argument('[alert]', ID)
    .addHelpText('after', examples('tokenctl alerts retry', 'tokenctl alerts retry 4f9a2c1d'))
    .action(
      does(async (context, named) =>
        (await import('../commands/alerts.ts')).retryAlerts(context, named),
      ),
    );
  alerts
    .command('ack')
    .description('say that you take care of an alert: what was not told of it yet is dropped')
    .argument('<alert>', ID)
    .addHelpText('after', examples('tokenctl alerts ack 4f9a2c1d'))
    .action(
      does(async (context, named) =>
        (await import('../commands/alerts.ts')).ackAlert(context, named),
      ),
    );
  alerts
    .command('silence')
    .description('hold back what goes to the channels of the configuration, emergencies too')
    .option('--for <duration>', 'how long, up to 7d: 30m, 2h, 1d')
    .option('--reason <text>', REASON)
    .option('--off', 'end the silence now')
    .addHelpText(
      'after',
      examples(
        'tokenctl alerts silence --for 2h --reason "load test"',
        'tokenctl alerts silence --off',
      ) + '\nThe console and the alert log go on. What was held back is told when it ends.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/alerts.ts')).silenceAlerts(context, options),
      ),
    );
}

const ID = 'its id, or the last characters of it, as tokenctl alerts shows them';

import type { Command } from 'commander';
import { CREATES, DRY_RUN, examples, type Does } from './shared.ts';

export function addToken(program: Command, does: Does): void {
  const token = program
    .command('token')
    .description('access tokens of the gateway and the API: make, list and revoke them')
    .addHelpText(
      'after',
      examples('tokenctl token create --name "python backend"', 'tokenctl token list'),
    );
  token
    .command('create')
    .description('make a token and print it, this once: only its hash is kept')
    .requiredOption('--name <text>', 'what it is for, in 1 to 100 characters')
    .option(
      '--scope <scope...>',
      'what it may do: read (usage, limits), reserve (spend), admin (everything) (default: reserve)',
    )
    .option('--ai-type <type...>', 'the AI types that it may spend for (default: any)')
    .option(
      '--expires <when>',
      '90d (at most 3650d), a UTC date or time to come, or never (default: 365d)',
    )
    .addHelpText(
      'after',
      examples(
        'tokenctl token create --name "python backend" --ai-type imperium',
        'tokenctl token create --name grafana --scope read --expires 90d',
        'TOKEN=$(tokenctl token create --name ci --expires 12h --quiet)',
      ) + '\nStandard output holds the token alone; what it may do is said on standard error.',
    )
    .action(
      does(
        async (context, options) =>
          (await import('../commands/token.ts')).createToken(context, options),
        CREATES,
      ),
    );
  token
    .command('list')
    .description('every token, the newest first: what it may do, until when, and when it was used')
    .addHelpText('after', examples('tokenctl token list', 'tokenctl token list --json'))
    .action(does(async (context) => (await import('../commands/token.ts')).listTokens(context)));
  token
    .command('revoke')
    .description('end a token for good; every process refuses it within 5 seconds')
    .argument('<token>', 'its prefix, name or id, as tokenctl token list shows them')
    .option('--yes', 'do not ask')
    .option('--dry-run', DRY_RUN)
    .addHelpText(
      'after',
      examples(
        'tokenctl token revoke "python backend"',
        'tokenctl token revoke tkc_4fQx9TzA --yes',
      ) +
        '\nAsks for the name of the token; without a terminal it needs --yes (exit 5).\nA name that several tokens have is refused with their prefixes.\nExits 1 when there is no such token, or it was revoked already.',
    )
    .action(
      does(async (context, named, options) =>
        (await import('../commands/token.ts')).revokeToken(context, named, options),
      ),
    );
}

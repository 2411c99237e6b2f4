import type { Command } from 'commander';
import { AI_TYPE, CREATES, examples, OTLP, type Does } from './shared.ts';

/** The flags that are the gateway's alone, wherever it runs. */
export function addGatewayFlags(command: Command): Command {
  return command
    .option(
      '--ai-type <type>',
      `of calls that name none by the header x-tokenctl-ai-type or a path such as /imperium/v1/messages. ${AI_TYPE}`,
    )
    .option(
      '--upstream <base-url>',
      'the API behind it (else ANTHROPIC_BASE_URL, else https://api.anthropic.com)',
    )
    .option(
      '--require-token',
      "clients send tokens of tokenctl (token create); the gateway has the provider's key, from ANTHROPIC_API_KEY, ANTHROPIC_API_KEY_FILE or systemd's credential anthropic-api-key",
    )
    .option(
      '--pass-unknown',
      'pass on paths that it does not know, uncounted; else they are refused',
    )
    .option(
      '--max-wait <seconds>',
      'how long a call may wait for a window or rate that frees in time: 0 (default) to 86400',
    )
    .option(
      '--drain-timeout <seconds>',
      'how long open calls may go on after SIGTERM or Ctrl-C: 0 to 3600 (default: 60); a second signal ends them at once',
    );
}

export function addGateway(program: Command, does: Does): void {
  const gateway = program
    .command('gateway')
    .description(
      'a proxy of the Anthropic Messages API that puts every call under the budget: clients in any language set their base URL to it',
    )
    .option('--host <address>', 'where to listen (default: 127.0.0.1)')
    .option('--port <number>', 'port; 0 takes any that is free (default: 4010)')
    .option(
      '--allow-host <host...>',
      'a name beside localhost that clients may call it by, as in their Host header',
    );
  addGatewayFlags(gateway)
    .option(...OTLP)
    .addHelpText(
      'after',
      examples(
        'tokenctl gateway --ai-type imperium',
        'ANTHROPIC_BASE_URL=http://127.0.0.1:4010 python backend.py',
        'ANTHROPIC_BASE_URL=http://127.0.0.1:4010/guardian python guardian.py',
        'ANTHROPIC_API_KEY_FILE=key.txt tokenctl gateway --require-token',
      ),
    )
    .action(
      does(
        async (context, options) =>
          (await import('../commands/gateway.ts')).gateway(context, options),
        CREATES,
      ),
    );
}

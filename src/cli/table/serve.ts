import type { Command } from 'commander';
import { addGatewayFlags } from './gateway.ts';
import { CREATES, examples, OTLP, type Does } from './shared.ts';

export function addServe(program: Command, does: Does): void {
  const serve = program
    .command('serve')
    .description(
      'the HTTP API: usage, limits and alerts for dashboards, reservations for backends in any language; with --gateway the gateway, too',
    )
    .option(
      '--host <address>',
      'where to listen (default: 127.0.0.1); beyond this machine every caller needs a token (token create), and a gateway --require-token',
    )
    .option('--port <number>', 'port; 0 takes any that is free (default: 4000)')
    .option(
      '--allow-host <host...>',
      'a name beside localhost that clients may call it by, as in their Host header',
    )
    .option(...OTLP)
    .option(
      '--gateway',
      'run the gateway (tokenctl gateway) in the same process, on a port of its own: one ledger, one stop',
    );
  serve
    .optionsGroup('Options with --gateway:')
    .option('--gateway-port <number>', 'its port; 0 takes any that is free (default: 4010)');
  addGatewayFlags(serve)
    .addHelpText(
      'after',
      examples(
        'tokenctl serve',
        'curl http://localhost:4000/api/token-usage/summary',
        'tokenctl token create --name "python backend" --ai-type imperium',
        'tokenctl serve --host 10.0.0.5 --port 8080',
        'tokenctl serve --gateway --ai-type imperium',
        'ANTHROPIC_BASE_URL=http://127.0.0.1:4010 python backend.py',
      ) +
        '\nReads from this machine need no token; what reserves or changes something does.\nhttp://localhost:4000/openapi.json describes every path.',
    )
    .action(
      does(
        async (context, options) => (await import('../commands/serve.ts')).serve(context, options),
        CREATES,
      ),
    );
}

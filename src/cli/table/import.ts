import type { Command } from 'commander';
import { CREATES, examples, type Does } from './shared.ts';

export function addImport(program: Command, does: Does): void {
  program
    .command('import')
    .description('load a usage log; importing the same file again adds nothing')
    .argument('<file>', 'CSV with a header, or JSON lines; - reads standard input')
    .option(
      '--columns <mapping>',
      'FIELD=COLUMN,…: timestamp, input, output, aiType, model, requestId, success (usual names are known)',
    )
    .option('--ai-type <type>', 'the AI type of rows that name none')
    .option('--format <format>', 'csv or jsonl (default: by the name of the file)')
    .addHelpText(
      'after',
      examples(
        'tokenctl import usage.csv --ai-type imperium',
        'tokenctl import trace.csv --ai-type imperium \\\n    --columns timestamp=TIMESTAMP,input=ContextTokens,output=GeneratedTokens',
        'tokenctl import calls.jsonl \\\n    --columns input=usage.input_tokens,output=usage.output_tokens',
      ) +
        '\nTimes without an offset are UTC. The whole file is checked first: one wrong\nline, and nothing is imported.',
    )
    .action(
      does(
        async (context, file, options) =>
          (await import('../commands/import.ts')).importFile(context, file, options),
        CREATES,
      ),
    );
}

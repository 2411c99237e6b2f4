import { TokenctlError } from '../budget/errors.ts';
import type { ErrorDocument } from './documents.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import type { Output } from './output.ts';
import { fixLine, hang } from './views/text.ts';

const LEAD = 'tokenctl: ';

/**
 * Says what failed and what to do next, and gives the exit code. With --json standard output holds
 * one document also then, unless the command has already written its own.
 */
export function reportFailure(error: unknown, output: Output, documentWritten = false): number {
  const expected = error instanceof TokenctlError;
  const message = expected ? error.message : `unexpected: ${describe(error)}`;
  const fix = expected ? error.fix : 'run it again with --debug, and report what it prints';
  const { colors, width } = output.stderrScreen;
  // Between words on a terminal; whole for a log file and grep.
  const [first = '', ...rest] = output.stderrIsTTY ? hang(LEAD, message, width) : [LEAD + message];
  output.message(
    [colors.red(LEAD.trimEnd()) + first.slice(LEAD.trimEnd().length), ...rest].join('\n'),
    'error',
  );
  if (fix !== null) output.message(fixLine(fix, output.stderrScreen), 'error');
  if (output.debug) output.message(trace(error), 'error');
  if (output.json && !documentWritten) {
    const code = expected ? error.code : 'unexpected';
    const field = expected ? error.field : null;
    output.document({ error: { code, message, field, fix } } satisfies ErrorDocument);
  }
  return expected ? exitCodeOf(error.code) : EXIT.failed;
}

function describe(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

/** The stack of an error and of what caused it. */
function trace(error: unknown): string {
  const lines: string[] = [];
  let each = error;
  for (let depth = 0; depth < 5 && each instanceof Error; depth += 1) {
    lines.push(each.stack ?? each.message);
    each = each.cause;
  }
  return lines.join('\ncaused by: ');
}

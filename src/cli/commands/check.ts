import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput, TokenctlError } from '../../budget/errors.ts';
import type { EstimatorName } from '../../budget/estimate.ts';
import type { PromptContent } from '../../budget/prompt-content.ts';
import { parseCount } from '../../budget/tokens.ts';
import { ledgerDenial, type Estimate, type Verdict } from '../../budget/verdict.ts';
import { fileProblem, readInput } from '../../platform/files.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { reportFailure } from '../failure.ts';
import { checkView, lostCheckView } from '../views/check.ts';

export interface CheckOptions {
  readonly aiType: string;
  readonly tokens?: string;
  readonly promptFile?: string;
  readonly maxTokens?: string;
}

export async function check(context: CommandContext, options: CheckOptions): Promise<number> {
  const { output } = context;
  const aiType = parseAiType(options.aiType, '--ai-type');
  const estimate = await estimateOf(context, options);
  const request = { aiType, estimate, items: 1, largestItem: estimate.total };
  try {
    return await withApp(context, async (app) => {
      const verdict = await app.check(request);
      const [reason] = verdict.reasons;
      if (verdict.largestAdmissible === null && reason !== undefined) {
        show(context, verdict);
        const { message, fix } = reason;
        const details = fix === null ? {} : { fix };
        const error = new TokenctlError('ledger_unavailable', message, details);
        return reportFailure(error, output, true);
      }
      if (output.json) {
        output.document(verdict);
      } else {
        const [report, { limits }] = [await app.status({ aiType }), await app.limits()];
        output.result(checkView(verdict, report, limits, output.screen));
      }
      return verdict.admitted ? EXIT.done : EXIT.found;
    });
  } catch (error) {
    if (!(error instanceof TokenctlError) || exitCodeOf(error.code) !== EXIT.database) throw error;
    const fix = error.fix ?? 'tokenctl db info';
    show(context, ledgerDenial('ledger_unavailable', aiType, estimate, error.message, fix));
    return reportFailure(error, output, true);
  }
}

/** A ledger that can't answer denies: the verdict without arithmetic. */
function show({ output }: CommandContext, verdict: Verdict): void {
  if (output.json) output.document(verdict);
  else output.result(lostCheckView(verdict, output.screen));
}

async function estimateOf(context: CommandContext, options: CheckOptions): Promise<Estimate> {
  const { tokens, promptFile, maxTokens } = options;
  if (tokens !== undefined) {
    if (promptFile !== undefined || maxTokens !== undefined) {
      throw invalidInput(
        '--tokens',
        'is the whole estimate, and stands alone',
        'name either --tokens N, or --prompt-file F and --max-tokens M',
      );
    }
    const input = parseCount('--tokens', tokens, 1);
    return { input, output: 0, total: input };
  }
  if (promptFile === undefined) {
    throw invalidInput(
      'check',
      'needs --tokens N, or --prompt-file F and --max-tokens M',
      'for example: tokenctl check --ai-type imperium --tokens 500',
    );
  }
  if (maxTokens === undefined) {
    throw invalidInput(
      '--prompt-file',
      'needs --max-tokens M beside it',
      'the most tokens that the answer may have: what the call itself sends as max_tokens',
    );
  }
  const output = parseCount('--max-tokens', maxTokens, 1);
  const { estimateInput } = await import('../../budget/estimate.ts');
  const estimator: EstimatorName = (await configOf(context)).estimator ?? 'words';
  const input = estimateInput(await readPrompt(promptFile), estimator);
  return { input, output, total: input + output };
}

/** Text, or a Messages request as JSON, whose system, tools and content blocks count as such. */
async function readPrompt(file: string): Promise<string | PromptContent> {
  const text = await readText(file);
  if (!text.trimStart().startsWith('{')) return text;
  try {
    const parsed = JSON.parse(text) as Partial<PromptContent>;
    return Array.isArray(parsed.messages) ? (parsed as PromptContent) : text;
  } catch {
    return text;
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readInput(file);
  } catch (error) {
    throw invalidInput('--prompt-file', `${file} can't be read: ${fileProblem(error)}`);
  }
}

import { invalidInput } from '../../budget/errors.ts';
import { requireClosed } from '../../ledger/prune.ts';
import { confirm } from '../confirm.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { startProgress } from '../progress.ts';
import { prunePlanLines, pruneView, type Pruned } from '../views/prune.ts';

export interface PruneOptions {
  readonly before?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Planning reads every old row once: some seconds for each million. */
const PRUNE_MS = 600_000;

export async function prune(context: CommandContext, options: PruneOptions): Promise<number> {
  const { output, host, runtime } = context;
  const { dryRun = false, yes = false } = options;
  const before = parseMonth(options.before, runtime.nowMs());
  return withApp(
    context,
    async (app) => {
      const { rows: months, open } = await app.planPrune(before);
      const rows = months.reduce((sum, each) => sum + each.rows, 0);
      const planned = { before, dryRun, rows, deleted: 0, openKept: open, months };
      if (dryRun || rows === 0) {
        show(context, planned);
        return EXIT.done;
      }
      if (!yes) {
        if (output.interactive) {
          output.message(prunePlanLines(planned, output.stderrScreen).join('\n'));
        }
        await confirm(output, before, `pruning the logs before ${before}`);
      }
      const progress = await startProgress(output);
      try {
        const deleted = await app.prune(before, host.actor, (done) =>
          progress.show(`Deleting ${String(done)} of ${String(rows)} rows`),
        );
        progress.end();
        show(context, { ...planned, deleted });
      } finally {
        progress.end();
      }
      return EXIT.done;
    },
    { timeoutMs: PRUNE_MS },
  );
}

function parseMonth(text: string | undefined, nowMs: number): string {
  const example = 'for example: --before 2026-01 (deletes the logs up to the end of 2025)';
  if (text === undefined) throw invalidInput('--before', 'is needed', example);
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) {
    throw invalidInput('--before', `"${text}" is no month`, example);
  }
  requireClosed(text, nowMs);
  return text;
}

function show({ output }: CommandContext, pruned: Pruned): void {
  if (output.json) output.document(pruned);
  else output.result(pruneView(pruned, output.screen));
}

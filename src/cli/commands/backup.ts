import { resolve } from 'node:path';
import { stopSignal } from '../../platform/process.ts';
import { targetOf, type CommandContext } from '../context.ts';
import type { BackupDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { startProgress } from '../progress.ts';
import { sizeText } from '../views/text.ts';

export async function backup(
  context: CommandContext,
  name: string,
  { force = false }: { readonly force?: boolean },
): Promise<number> {
  const { output, host, runtime } = context;
  const { target } = await targetOf(context);
  const file = resolve(host.directory, name);
  const { backupDatabase } = await import('../../upkeep.ts');
  const stop = stopSignal();
  context.takeInterrupts();
  const progress = await startProgress(output);
  const startMs = runtime.monotonicMs();
  try {
    const sizeBytes = await backupDatabase({
      target,
      file,
      force,
      runtime,
      environment: host.environment,
      signal: stop.signal,
      onProgress: (text) => progress.show(text),
    });
    progress.end();
    const ms = Math.round(runtime.monotonicMs() - startMs);
    const { kind, location } = target;
    if (output.json)
      output.document({ file, kind, location, sizeBytes, ms } satisfies BackupDocument);
    else output.result(`${location} was copied to ${file} (${sizeText(sizeBytes)}).`);
    return EXIT.done;
  } finally {
    progress.end();
    stop.forget();
  }
}

import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/**
 * Whether nobody will read what is written to a pipe (`| head`). A writer is told that only when it
 * writes; Linux says it to who opens the pipe once more. False where the system does not say.
 */
export function readerIsGone(fd: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    if (!fstatSync(fd).isFIFO()) return false;
    closeSync(openSync(`/proc/self/fd/${String(fd)}`, constants.O_WRONLY | constants.O_NONBLOCK));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO';
  }
}

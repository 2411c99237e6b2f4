/** Tells the process's own log about something that needs no handling but must not go unseen. */
export function warnProcess(message: string): void {
  process.emitWarning(message, 'TokenctlWarning');
}

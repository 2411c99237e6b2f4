import type { Verdict } from '../budget/verdict.ts';
import type { EndCommand, Ending, ReserveCommand } from './commands.ts';

/** Told of what a ledger answers in this process, such as for metrics. It must not throw. */
export interface LedgerObserver {
  /** A reserve was answered. @param ms since it was asked for, waiting included */
  reserved(command: ReserveCommand, verdict: Verdict, ms: number): void;
  /** A settle or release was answered, also one that was repeated and changed nothing. */
  ended(command: EndCommand, ending: Ending): void;
  /** A transaction was committed. @param commands that it held, at least 1 */
  committed(commands: number): void;
}

/** What the workers' journals say, read back after each death. */
import { existsSync, readFileSync } from 'node:fs';

/** What a call will have cost: tokens, nothing, or nobody knows. */
type Plan = number | 'nothing' | 'unknown';

export interface JournaledCall {
  readonly tokens: number;
  readonly plan: Plan;
  readonly key: string | null;
}

/** A call with a key that was under way when its process died: the next one tries it again. */
export interface UnfinishedCall {
  readonly key: string;
  readonly tokens: number;
  readonly plan: string;
}

export class Journals {
  /** By reservation. */
  readonly calls = new Map<string, JournaledCall>();
  readonly endings = new Map<string, { readonly state: string; readonly charged: number }>();

  #repeated = 0;

  /** How many calls were made once more, under the reservation that their key had already. */
  get repeated(): number {
    return this.#repeated;
  }

  /**
   * Reads one dead process's journal; the calls with a key that it left unfinished. Those that it
   * was to try again itself may be among them: it may have died before.
   */
  read(file: string, toldToTry: readonly UnfinishedCall[] = []): UnfinishedCall[] {
    const open = new Map(toldToTry.map((call) => [call.key, call]));
    for (const line of existsSync(file) ? completeLines(file) : []) {
      const [what, name, ...rest] = line.split(' ') as [string, string, ...string[]];
      if (what === 'key') open.set(name, { key: name, tokens: Number(rest[0]), plan: rest[1]! });
      else if (what === 'dropped') open.delete(name);
      else if (what === 'calling') this.#addCall(name, rest);
      else open.delete(this.#addEnding(name, rest) ?? '');
    }
    return [...open.values()];
  }

  #addCall(id: string, [tokens, plan, keyOrNone]: string[]): void {
    const key = keyOrNone === '-' ? null : keyOrNone!;
    const known = plan === 'nothing' || plan === 'unknown' ? plan : Number(plan);
    if (this.calls.has(id)) this.#repeated += 1;
    this.calls.set(id, { tokens: Number(tokens), plan: known, key });
  }

  /** The key of the call that ended, if it had one. */
  #addEnding(id: string, [state, charged]: string[]): string | null {
    this.endings.set(id, { state: state!, charged: Number(charged) });
    return this.calls.get(id)?.key ?? null;
  }
}

/** Without the one that a death may have cut short. */
function completeLines(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

import type { Caller } from '../access.ts';

/** Who changes something, for the record. */
export function actorOf(caller: Caller | null): string | null {
  return caller === null ? null : `token ${caller.name}`;
}

import { getJson } from './server.ts';

/** Commands that the page itself suggests: on the server's own database, as those in its answers are. */

let start: string | null = null;

/** Asks once how a command begins here. */
export async function learnCommand(): Promise<void> {
  start ??= (await getJson<{ command: string }>('/api/v1/command')).command;
}

/** `alerts ack 1f3c5b7d` → `tokenctl --database /srv/budget.db alerts ack 1f3c5b7d` */
export function ownCommand(words: string): string {
  return `${start ?? 'tokenctl'} ${words}`;
}

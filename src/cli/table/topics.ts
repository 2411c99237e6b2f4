/** What can be read beside the help of commands. */
export const TOPICS = [
  { name: 'environment', about: 'every variable that is read, and what goes before what' },
  { name: 'exit-codes', about: 'what each exit code says' },
  { name: 'formats', about: 'JSON, status --format, times, and the columns of import' },
  { name: 'limits', about: 'each limit: its default, what it derives from, what it denies' },
] as const;

export type Topic = (typeof TOPICS)[number]['name'];

/** The topics as a part of a help text. */
export function topicList(): string {
  const widest = Math.max(...TOPICS.map(({ name }) => name.length));
  const lines = TOPICS.map(({ name, about }) => `  ${name.padEnd(widest)}  ${about}`);
  return `\nTopics (tokenctl help TOPIC):\n${lines.join('\n')}\n`;
}

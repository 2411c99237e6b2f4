import { fileURLToPath } from 'node:url';

/** The databases that the models are derived for, by Prisma's provider name. */
export const databases = ['sqlite', 'postgresql'] as const;

export type Database = (typeof databases)[number];

/** The absolute path of a file of this project, given relative to its root. */
export function projectPath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}

import { invalidInput } from './errors.ts';

/** Services known from the specification; any other valid name is accepted on first use. */
export const KNOWN_AI_TYPES = ['imperium', 'guardian', 'sandbox', 'conquest'] as const;

/** Names that mean something else in commands and tables, so that no AI type may bear them. */
const RESERVED_AI_TYPES: readonly string[] = ['global', 'all', 'none', 'unknown'];

const NAME = /^[a-z0-9][a-z0-9_.-]{0,49}$/;

/**
 * The AI type that a caller named: trimmed and lower-cased.
 * @throws invalid_input when it is no name, or a reserved one
 */
export function parseAiType(value: unknown, field = 'aiType'): string {
  if (typeof value !== 'string') {
    throw invalidInput(field, `must be a name, not ${value === null ? 'null' : typeof value}`);
  }
  const name = value.trim().toLowerCase();
  if (RESERVED_AI_TYPES.includes(name)) {
    throw invalidInput(field, `"${name}" is reserved and can't be an AI type`);
  }
  if (!NAME.test(name)) {
    throw invalidInput(
      field,
      `"${printable(value)}" is no AI type: 1 to 50 of a-z, 0-9, '_', '.', '-', beginning with a letter or digit`,
    );
  }
  return name;
}

function printable(value: string): string {
  const cut = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return cut.replaceAll(/\p{C}/gu, '?');
}

import { invalidInput } from '../../budget/errors.ts';

/** Which column of a usage log holds what. */

/** The fields of a row, with the names that are recognised when --columns names none. */
export const FIELDS = {
  timestamp: ['timestamp', 'created_at', 'time', 'date', 'datetime'],
  input: ['input', 'tokens_in', 'input_tokens', 'prompt_tokens', 'contexttokens'],
  output: ['output', 'tokens_out', 'output_tokens', 'completion_tokens', 'generatedtokens'],
  aiType: ['ai_type', 'aitype'],
  model: ['model', 'model_used'],
  requestId: ['request_id', 'requestid'],
  success: ['success'],
} as const;

export type Field = keyof typeof FIELDS;
export type Columns = Partial<Record<Field, string>>;

const REQUIRED = ['timestamp', 'input', 'output'] as const;
const FIELD_NAMES = Object.keys(FIELDS) as Field[];

/** Reads `timestamp=C,input=C,output=C`. @throws invalid_input */
export function parseColumns(text: string): Columns {
  const columns: Columns = {};
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim().toLowerCase().replaceAll('_', '');
    const field = FIELD_NAMES.find((known) => known.toLowerCase() === name);
    const column = part.slice(equals + 1).trim();
    if (equals < 1 || field === undefined || column === '') {
      throw invalidInput(
        '--columns',
        `"${part.trim()}" is no FIELD=COLUMN`,
        `the fields are: ${FIELD_NAMES.join(', ')}`,
      );
    }
    columns[field] = column;
  }
  return columns;
}

/**
 * The column of each field: as named, else by its usual name.
 * @param present the columns that the file has; null where each row names its own
 * @throws invalid_input when a column that is needed is not there
 */
export function chooseColumns(named: Columns, present: readonly string[]): Columns {
  const chosen: Columns = {};
  for (const field of FIELD_NAMES) {
    const wanted = named[field];
    if (wanted !== undefined && !present.includes(wanted)) {
      throw invalidInput('--columns', `the file has no column "${wanted}"`, listing(present));
    }
    const usual = present.find((column) => isUsual(field, column));
    const column = wanted ?? usual;
    if (column !== undefined) chosen[field] = column;
  }
  for (const field of REQUIRED) {
    if (chosen[field] === undefined) {
      throw invalidInput(
        '--columns',
        `no column is known to hold the ${field}; name it: --columns ${field}=COLUMN`,
        listing(present),
      );
    }
  }
  return chosen;
}

function isUsual(field: Field, column: string): boolean {
  return (FIELDS[field] as readonly string[]).includes(column.toLowerCase());
}

function listing(present: readonly string[]): string {
  const names = present.slice(0, 20).map((name) => JSON.stringify(name));
  return `the columns are: ${names.join(', ')}${present.length > 20 ? ', …' : ''}`;
}

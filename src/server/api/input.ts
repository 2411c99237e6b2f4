import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { closest } from '../../budget/closest.ts';
import { invalidInput } from '../../budget/errors.ts';
import { readBody } from '../body.ts';
import { nearest, type Told } from './nearest.ts';
import { Problem } from './problem.ts';
import { wordsOf } from './words.ts';

/** The longest body, in bytes. */
const MOST_BODY_BYTES = 65_536;

const JSON_TYPE = /^application\/json\s*(;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i;

/**
 * The body of a request as JSON; undefined where it has none.
 * @throws body_too_large, unsupported_media_type, invalid_input
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const { headers } = request;
  if (!hasBody(request)) return undefined;
  const body = await readBody(request, MOST_BODY_BYTES);
  if (body === null) {
    throw new Problem('body_too_large', `body: must be at most ${String(MOST_BODY_BYTES)} bytes`, {
      field: 'body',
      fix: 'estimate a long prompt yourself, and send { input, output }',
    });
  }
  if (body.length === 0) return undefined;
  requireJson(headers);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw invalidInput('body', 'is not UTF-8');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalidInput('body', 'is not JSON', 'send one JSON object');
  }
}

/** Whether a body follows the headers. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function requireJson(headers: IncomingMessage['headers']): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  if (encoding.toLowerCase() !== 'identity') {
    throw unsupported('content-encoding', 'must be left out', 'send the body as it is');
  }
  if (!JSON_TYPE.test(type)) {
    const fix = 'send JSON, and content-type: application/json';
    throw unsupported('content-type', 'must be application/json', fix);
  }
  const charset = CHARSET.exec(type)?.[1] ?? 'utf-8';
  if (/^utf-?8$/i.test(charset)) return;
  const problem = `its charset must be utf-8, not ${printable(charset)}`;
  throw unsupported('content-type', problem, 'send the body in UTF-8');
}

function unsupported(field: string, problem: string, fix: string): Problem {
  return new Problem('unsupported_media_type', `${field}: ${problem}`, { field, fix });
}

/** What stands in a request more than once: nobody knows which was meant. */
export function repeated(field: string): Error {
  return invalidInput(field, 'is given more than once', 'give it once');
}

/**
 * What a schema makes of a value.
 * @param whole how the value itself is called, where what is wrong is in no field of it
 * @throws invalid_input naming the first field that is wrong
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const result = schema.safeParse(value, { error: wordsOf });
  if (result.success) return result.data;
  throw inputError(nearest(result.error.issues, value), schema, whole);
}

function inputError({ issue, rival, forms }: Told, schema: z.ZodType, whole: string): Error {
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    if (rival !== null) {
      const field = fieldName([...issue.path, key], whole);
      const problem = `does not go together with ${fieldName([...issue.path, rival], whole)}`;
      return invalidInput(field, problem, forms ?? 'leave one of the two out');
    }
    const known = keysAt(schema, issue.path);
    const meant = closest(key.replaceAll('_', ''), known);
    return invalidInput(
      fieldName([...issue.path, printable(key)], whole),
      'is not known here',
      `${meant === null ? '' : `did you mean ${meant}? `}${known.length === 0 ? 'leave it out' : `it takes ${known.join(', ')}`}`,
    );
  }
  return invalidInput(fieldName(issue.path, whole), issue.message, forms ?? undefined);
}

/** `estimate.items[3].input` */
function fieldName(path: readonly PropertyKey[], whole: string): string {
  const name = path
    .map((part) => (typeof part === 'number' ? `[${String(part)}]` : `.${String(part)}`))
    .join('');
  return name === '' ? whole : name.replace(/^\./, '');
}

function printable(text: string): string {
  return text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
}

/** The fields of what stands at a path of a schema, of each shape that it may have. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let shapes = shapesOf(schema);
  for (const part of path) {
    shapes = shapes.flatMap(({ shape, element }) => {
      const inner = typeof part === 'number' ? element : shape?.[String(part)];
      return inner === undefined ? [] : shapesOf(inner);
    });
  }
  return [...new Set(shapes.flatMap(({ shape = {} }) => Object.keys(shape)))];
}

interface Shape {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly def?: { readonly innerType?: z.ZodType; readonly options?: readonly z.ZodType[] };
}

function shapesOf(schema: z.ZodType): Shape[] {
  const shape = schema as unknown as Shape;
  const { innerType, options } = shape.def ?? {};
  if (innerType !== undefined) return shapesOf(innerType);
  return options === undefined ? [shape] : options.flatMap(shapesOf);
}

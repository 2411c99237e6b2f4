/** The published JSON Schemas, made strict: also a field that none of them names is an error. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Documents } from '../../src/cli/documents.ts';

export type DocumentName = keyof Documents;

const DIRECTORY = fileURLToPath(new URL('../../schemas', import.meta.url));

/** The names of all schemas. */
export function schemaNames(): string[] {
  return readdirSync(DIRECTORY).map((file) => file.replace(/\.json$/, ''));
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
formats.default(ajv, ['date-time']);
const compiled = new Map<DocumentName, ValidateFunction>();

/** What is wrong with a document; empty when nothing is. */
export function schemaProblems(name: DocumentName, document: unknown): string {
  const known = compiled.get(name);
  const validate = known ?? ajv.compile(strict(read(name)) as object);
  compiled.set(name, validate);
  return validate(document) ? '' : ajv.errorsText(validate.errors, { separator: '\n' });
}

function read(name: DocumentName): unknown {
  return JSON.parse(readFileSync(`${DIRECTORY}/${name}.json`, 'utf8'));
}

/** The same schema, in which a field that it does not name is an error. */
export function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, strict(value)]);
  // Records of names allow others already, and say what these must be.
  const closed = 'properties' in schema ? { additionalProperties: false } : {};
  return { ...closed, ...(Object.fromEntries(entries) as object) };
}

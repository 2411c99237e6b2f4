import { z } from 'zod';
import { PROBLEM_CODES } from '../src/server/api/problem.ts';
import { components, type AnswerSchema, type Operation } from '../src/server/api/operation.ts';
import { OPERATIONS } from '../src/server/api/routes/all.ts';
import { version } from '../src/version.ts';
import { FIELD_NOTES } from './field-notes.ts';

/**
 * Makes the OpenAPI document of the HTTP API: from the operations and the schemas that check their
 * requests, and from the JSON Schemas of the documents that they answer.
 */

type Node = Record<string, unknown>;

const IN_FILE = '#/$defs/';
const IN_DOCUMENT = '#/components/schemas/';

/** @param documents the texts of schemas/, by their names */
export function openApiDocument(documents: ReadonlyMap<string, string>): string {
  const schemas = new Map<string, Node>(Object.entries(ownSchemas()));
  schemas.set('Problem', PROBLEM);
  const paths: Record<string, Node> = {};
  for (const operation of OPERATIONS) {
    const { path, method } = operation;
    paths[path] = {
      ...paths[path],
      [method]: described(operation, (schema) => {
        return typeof schema === 'object' && 'document' in schema
          ? lifted(schema.document, documents, schemas)
          : reference(schema);
      }),
    };
  }
  const sorted = [...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'tokenctl',
      version,
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: 'http://127.0.0.1:4000', description: 'tokenctl serve' }],
    tags: TAGS,
    paths,
    components: {
      schemas: Object.fromEntries(sorted.map(([name, schema]) => [name, noted(schema)])),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of tokenctl: tokenctl token create --scope read reserve admin.',
        },
      },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const ABOUT =
  'Reserve before each call to an AI provider, settle after it, never past a limit. /api/token-usage has snake_case keys, /api/v1 the camelCase of the library and of --json. Amounts are tokens, times ISO 8601 in UTC. On the address of the machine itself reads need no token; writes, and everything on another address, do. Fields may be added: ignore what you do not know.';

const TAGS = [
  {
    name: 'Token usage',
    description: 'The month by AI type, in the names of the table token_usage.',
  },
  { name: 'Reservations', description: 'Reserve, settle, release and check, as in the library.' },
  { name: 'Status', description: 'How the budget and the server are.' },
  { name: 'Usage', description: 'What was used and what was denied, by whom and when.' },
  { name: 'Limits', description: 'The limits in force, and their changes.' },
  { name: 'Resets', description: 'Adjustments by which operators lower usage.' },
  { name: 'Alerts', description: 'What was raised, and what is done with it.' },
  { name: 'Metrics', description: 'For Prometheus.' },
];

const PROBLEM: Node = {
  type: 'object',
  description:
    'An error (RFC 9457). A denial has the members of its verdict beside these (Verdict).',
  properties: {
    type: { type: 'string', description: 'urn:tokenctl:problem: and the code.' },
    title: { type: 'string', description: 'The code in words.' },
    status: { type: 'integer', minimum: 400, maximum: 599, description: 'The HTTP status.' },
    code: { enum: PROBLEM_CODES, description: 'What scripts decide by.' },
    detail: { type: 'string', description: 'What was wrong, in one line.' },
    field: {
      type: ['string', 'null'],
      description:
        'The input that was wrong: a field of the body by its path, a parameter or a header; null where it was none.',
    },
    fix: {
      type: ['string', 'null'],
      description: 'The next thing to do; null where there is none to name.',
    },
    fixes: {
      type: 'array',
      items: { type: 'string' },
      description:
        'Of a denial: what would let the request pass, each once; where it can never pass all of it is needed.',
    },
    requestId: { type: 'string', description: 'The request, as in x-request-id.' },
  },
  required: ['type', 'title', 'status', 'code', 'detail', 'field', 'fix', 'requestId'],
};

function ownSchemas(): Record<string, Node> {
  const { schemas } = z.toJSONSchema(components, {
    io: 'input',
    uri: (id) => IN_DOCUMENT + id,
  }) as unknown as { schemas: Record<string, Node> };
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}

const TEXTS = {
  'text/event-stream': 'Events as text.',
  'text/plain': 'Metrics in the text format of Prometheus.',
};

function reference(schema: z.ZodType | keyof typeof TEXTS): Node {
  if (typeof schema === 'string') return { type: 'string', description: TEXTS[schema] };
  const id = components.get(schema)?.id;
  if (id === undefined) throw new Error('a schema of an operation has no name');
  return { $ref: IN_DOCUMENT + id };
}

/** Puts the definitions of a document among the schemas. */
function lifted(
  name: string,
  documents: ReadonlyMap<string, string>,
  schemas: Map<string, Node>,
): Node {
  const text = documents.get(name);
  if (text === undefined) throw new Error(`there is no schema ${name}`);
  const {
    $schema: _,
    $id: __,
    $defs,
    description: ___,
    ...root
  } = JSON.parse(text.replaceAll(IN_FILE, IN_DOCUMENT)) as Node & { $defs: Record<string, Node> };
  for (const [id, definition] of Object.entries($defs)) schemas.set(id, definition);
  return root;
}

function described(operation: Operation, schemaOf: (schema: AnswerSchema) => Node): Node {
  const { id, tag, summary, description, access, body, answers, polled = false } = operation;
  const successes = Object.entries(answers).map(([status, answer]): [string, Node] => [
    status,
    {
      description: answer.description,
      headers: {
        ...headerNotes({ 'x-request-id': 'Names the request: yours, or a new one.' }),
        ...headerNotes(
          polled ? { etag: 'Weak: the same while nothing but the time differs.' } : {},
        ),
        ...headerNotes(answer.headers ?? {}),
      },
      content: {
        [typeof answer.schema === 'string' ? answer.schema : 'application/json']: {
          schema: schemaOf(answer.schema),
        },
      },
    },
  ]);
  const problems = Object.entries({ ...usualProblems(operation), ...operation.problems }).map(
    ([status, when]): [string, Node] => [
      status,
      {
        description: when,
        content: { 'application/problem+json': { schema: { $ref: `${IN_DOCUMENT}Problem` } } },
      },
    ],
  );
  const parameters = parametersOf(operation);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            description: 'At most 65,536 bytes of JSON.',
            required: !body.safeParse(undefined).success,
            content: { 'application/json': { schema: reference(body) } },
          },
        }),
    responses: Object.fromEntries([
      ...successes,
      ...(polled ? [['304', { description: 'If-None-Match names the ETag that it has.' }]] : []),
      ...problems,
    ] as [string, Node][]),
    security: securityOf(access),
  };
}

/** An empty requirement: also without. */
function securityOf(access: Operation['access']): Node[] {
  switch (access) {
    case 'open':
      return [];
    case 'read':
    case 'check':
      return [{}, { token: [] }];
    case 'reserve':
    case 'admin':
      return [{ token: [] }];
  }
}

function usualProblems({ access, body }: Operation): Record<number, string> {
  return {
    400: 'The request is wrong: field names what.',
    ...(access === 'open'
      ? {}
      : {
          401: 'A token is needed, and there is no good one.',
          403: `The token lacks the scope ${access === 'check' ? 'read or reserve' : access}, or is not for this.`,
          429: 'More than 10 calls of this address in a minute without a good token.',
          503: 'The ledger does not answer.',
        }),
    404: 'There is no such path.',
    405: 'The path does not take this method: allow has those that it takes.',
    ...(body === undefined
      ? {}
      : { 413: 'The body is above 65,536 bytes.', 415: 'The body is no JSON.' }),
  };
}

function headerNotes(headers: Readonly<Record<string, string>>): Node {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' } },
    ]),
  );
}

function parametersOf({ params, query, headers, polled = false }: Operation): Node[] {
  const places = [
    ['path', params],
    ['query', query],
    ['header', headers],
  ] as const;
  const own = places.flatMap(([place, schema]) => {
    if (schema === undefined) return [];
    const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' });
    return Object.entries(properties).map(([name, property]): Node => {
      const { description, ...rest } = property as Node;
      return { name, in: place, required: required.includes(name), description, schema: rest };
    });
  });
  const requestId = {
    ...{ name: 'x-request-id', in: 'header', required: false },
    description: 'Names the request in answers and logs: 1 to 128 of A-Z, a-z, 0-9, _ . : -',
    schema: { type: 'string' },
  };
  const ifNoneMatch = {
    ...{ name: 'if-none-match', in: 'header', required: false },
    description: 'An ETag that an earlier answer had: the answer is 304 while it is the same.',
    schema: { type: 'string' },
  };
  return [...own, requestId, ...(polled ? [ifNoneMatch] : [])];
}

/** With a note on each field that says nothing of itself. */
function noted(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(noted);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, value]): [string, unknown] => {
    if (key !== 'properties') return [key, noted(value)];
    return [
      key,
      Object.fromEntries(
        Object.entries(value as Record<string, Node>).map(([name, field]) => {
          const description = field['description'] ?? FIELD_NOTES[name];
          return [name, noted(description === undefined ? field : { ...field, description })];
        }),
      ),
    ];
  });
  return Object.fromEntries(entries);
}

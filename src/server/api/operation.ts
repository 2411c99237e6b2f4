import { z } from 'zod';
import type { AccessTokens, Caller } from '../access.ts';
import type { App } from '../../app.ts';
import type { Guard } from '../../guard/guard.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { Documents } from './documents.ts';
import type { SharedReads } from './shared-reads.ts';
import type { StatusReads } from './status-reads.ts';
import type { Events } from './events.ts';
import type { Metrics } from '../metrics/metrics.ts';

/**
 * One method of one path, as data: what checks its input, what answers it, and what the OpenAPI document
 * says of it. routes/ has them all.
 */

/**
 * Who may. open: everyone, everywhere. read and check: on this machine's own address everyone, elsewhere a
 * token of scope read (check: or reserve). reserve and admin: a token of that scope, everywhere.
 */
export type Access = 'open' | 'read' | 'check' | 'reserve' | 'admin';

/** What the operations work with; the same for all requests. */
export interface Services {
  readonly app: App;
  readonly guard: Guard;
  readonly tokens: AccessTokens;
  readonly runtime: Runtime;
  readonly shared: SharedReads;
  readonly reads: StatusReads;
  readonly documents: Documents;
  readonly events: Events;
  readonly metrics: Metrics;
}

export interface Call<Params, Query, Headers, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly headers: Headers;
  readonly body: Body;
  /** Null where no token was needed. */
  readonly caller: Caller | null;
  /** Whether the token still lets the caller do this: for answers that stay open. */
  readonly stillAllowed: () => Promise<boolean>;
  readonly services: Services;
}

/** A document, text, or an answer that stays open. */
export type Answer =
  | {
      readonly status: number;
      readonly body: object;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly text: string; readonly contentType: string }
  | { readonly stream: ReadableStream<Uint8Array> };

/** A document of `--json` by its name in schemas/, a schema of its own, or text by its media type. */
export type AnswerSchema =
  { readonly document: string } | z.ZodType | 'text/event-stream' | 'text/plain';

interface AnswerOf {
  readonly description: string;
  readonly schema: AnswerSchema;
  /** Headers that it has, with what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OperationSpec<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for what varies. */
  readonly path: `/${string}`;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly params?: Params;
  readonly query?: Query;
  /** By their names in lower case; others are let pass. */
  readonly headers?: Headers;
  /** What is left out where there is none must be optional. */
  readonly body?: Body;
  /**
   * A read that clients poll. Its answer depends on path and query alone, is shared by those who ask the same
   * meanwhile (it is not told who asks), and has an ETag, over all but the times at which it was asked.
   */
  readonly polled?: boolean;
  /** Successes, by their status. */
  readonly answers: Readonly<Record<number, AnswerOf>>;
  /** Statuses of its own errors, with when they come; those that any operation may have are added. */
  readonly problems?: Readonly<Record<number, string>>;
  readonly answer: (
    call: Call<z.output<Params>, z.output<Query>, z.output<Headers>, z.output<Body>>,
  ) => Promise<Answer>;
}

type AnySchema = z.ZodObject;
/** An operation whose types are known to itself alone. */
export type Operation = Omit<
  OperationSpec<AnySchema, AnySchema, AnySchema, z.ZodType>,
  'answer'
> & {
  readonly answer: (call: Call<never, never, never, never>) => Promise<Answer>;
};

export function operation<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Headers extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
>(spec: OperationSpec<Params, Query, Headers, Body>): Operation {
  return spec;
}

/** Schemas that the OpenAPI document refers to by name. */
export const components = z.registry<{ readonly id: string }>();

export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  components.add(schema, { id });
  return schema;
}

export const ok = (body: object): Answer => ({ status: 200, body });

import { invalidInput } from '../budget/errors.ts';
import type { PromptContent } from '../budget/prompt-content.ts';
import { requireCount } from '../budget/tokens.ts';
import { isObject, type JsonObject } from './json.ts';

/** What a request to the Messages API may cost, from its body as it is sent. */

/** One message's estimate, as a reserve takes it. */
interface MessageEstimate {
  readonly prompt: PromptContent;
  readonly maxTokens: number;
}

export interface MessageRequest {
  /** The model that is asked; absent where the body names none. */
  readonly model?: string;
  readonly estimate: MessageEstimate;
}

export interface BatchRequest {
  /** The model of its first item, for the log. */
  readonly model?: string;
  readonly estimate: { readonly items: readonly MessageEstimate[] };
}

/** What steers a call without being read by the model. Any other field counts as its JSON. */
const NOT_READ: ReadonlySet<string> = new Set([
  ...['model', 'max_tokens', 'messages', 'system', 'tools', 'stream', 'thinking', 'tool_choice'],
  ...['temperature', 'top_p', 'top_k', 'stop_sequences', 'metadata', 'service_tier', 'speed'],
  ...['inference_geo', 'cache_control', 'container', 'context_management', 'thread', 'betas'],
  ...['fallbacks', 'fallback_credit_token', 'diagnostics', 'billing_policy'],
]);

/** A body's JSON. @throws invalid_input when it is none */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidInput('body', 'is no JSON', 'send a JSON object');
  }
}

/**
 * Reads the body of `POST /v1/messages`: everything that the model reads counts, `max_tokens` is the
 * output.
 * @param where what the message is in, for errors: '' or such as 'requests[3].params'
 * @throws invalid_input naming the field
 */
export function messageRequest(body: unknown, where = ''): MessageRequest {
  const message = requireObject(where === '' ? 'body' : where, body);
  const field = (name: string): string => (where === '' ? name : `${where}.${name}`);
  const { messages, tools, system } = message;
  if (!Array.isArray(messages)) throw invalidInput(field('messages'), 'must be a list of messages');
  if (tools !== undefined && tools !== null && !Array.isArray(tools)) {
    throw invalidInput(field('tools'), 'must be a list of tools');
  }
  const unread = Object.entries(message).filter(([name]) => !NOT_READ.has(name));
  return {
    ...(typeof message['model'] === 'string' ? { model: message['model'] } : {}),
    estimate: {
      prompt: {
        system: (system ?? undefined) as PromptContent['system'],
        messages: messages as PromptContent['messages'],
        tools: (tools ?? undefined) as PromptContent['tools'],
        extras: unread.map(([, value]) => value).filter((value) => (value ?? null) !== null),
      },
      maxTokens: greatestOutput(message, field),
    },
  };
}

/** Reads the body of `POST /v1/messages/batches`, item by item. @throws invalid_input naming the item */
export function batchRequest(body: unknown): BatchRequest {
  const { requests } = requireObject('body', body);
  if (!Array.isArray(requests) || requests.length === 0) {
    throw invalidInput('requests', 'must be a list of at least one request');
  }
  const items = requests.map((item: unknown, index) => {
    const where = `requests[${String(index)}]`;
    return messageRequest(requireObject(where, item)['params'], `${where}.params`);
  });
  const { model } = items[0] ?? {};
  return {
    ...(model === undefined ? {} : { model }),
    estimate: { items: items.map(({ estimate }) => estimate) },
  };
}

/** `max_tokens`, or that of a fallback model which may answer with more. */
function greatestOutput(message: JsonObject, field: (name: string) => string): number {
  const own = requireCount(field('max_tokens'), message['max_tokens']);
  const { fallbacks } = message;
  if (!Array.isArray(fallbacks)) return own;
  const others = fallbacks.map((fallback: unknown, index) => {
    const given = isObject(fallback) ? (fallback['max_tokens'] ?? own) : own;
    return requireCount(field(`fallbacks[${String(index)}].max_tokens`), given);
  });
  return Math.max(own, ...others);
}

function requireObject(field: string, value: unknown): JsonObject {
  if (!isObject(value)) throw invalidInput(field, 'must be a JSON object');
  return value;
}

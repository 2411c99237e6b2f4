/** What Anthropic's API answers, as data: messages, their events, errors, batches. */

export interface Billed {
  readonly input: number;
  readonly output: number;
  readonly cacheCreation: number;
  readonly cacheRead: number;
}

export const NOT_BILLED: Billed = { input: 0, output: 0, cacheCreation: 0, cacheRead: 0 };

export const totalOf = ({ input, output, cacheCreation, cacheRead }: Billed): number =>
  input + output + cacheCreation + cacheRead;

/** One delta's text. It is billed as 13 tokens, as ten words of any model up to Claude 4.6 are estimated. */
const TEN_WORDS = 'one two three four five six seven eight nine ten ';
export const TEN_WORDS_TOKENS = 13;

export type Body = Readonly<Record<string, unknown>>;

export interface Message {
  readonly id: string;
  readonly model: string;
  readonly blocks: readonly Block[];
  readonly stopReason: string;
  readonly billed: Billed;
  /** What it says that it used. */
  readonly reports: 'truth' | 'nonsense' | 'nothing';
}

type Block =
  | { readonly type: 'text'; readonly pieces: readonly string[] }
  | { readonly type: 'thinking'; readonly pieces: readonly string[] }
  | { readonly type: 'tool_use'; readonly name: string; readonly pieces: readonly string[] };

/** The answer to a request: so many deltas of ten words, and what the scenario adds. */
export function messageFor(id: string, body: Body, scenario: string, deltas: number): Message {
  const text: Block = { type: 'text', pieces: Array<string>(deltas).fill(TEN_WORDS) };
  const blocks: Block[] = [text];
  let output = deltas * TEN_WORDS_TOKENS;
  if (scenario === 'thinking') {
    blocks.unshift({ type: 'thinking', pieces: [TEN_WORDS, TEN_WORDS] });
    output += 2 * TEN_WORDS_TOKENS;
  }
  if (scenario === 'tool') {
    blocks.push({ type: 'tool_use', name: 'weather', pieces: ['{"city":', '"Paris"}'] });
    output += 20;
  }
  const cached = scenario === 'cached';
  return {
    id,
    model: modelOf(body),
    blocks,
    stopReason: scenario === 'tool' ? 'tool_use' : 'end_turn',
    reports: scenario === 'lying' ? 'nonsense' : scenario === 'no-usage' ? 'nothing' : 'truth',
    billed: {
      input: 10 + Math.floor(JSON.stringify(body['messages'] ?? '').length / 4),
      output,
      cacheCreation: cached ? 211 : 0,
      cacheRead: cached ? 1_033 : 0,
    },
  };
}

/** The model's name, without the scenario that may follow it after `#`. */
function modelOf(body: Body): string {
  return String(body['model']).split('#')[0] ?? '';
}

function usageOf(message: Message, output: number): object | undefined {
  if (message.reports === 'nothing') return undefined;
  if (message.reports === 'nonsense') return { input_tokens: -5, output_tokens: 'lots' };
  const { input, cacheCreation, cacheRead } = message.billed;
  return {
    input_tokens: input,
    output_tokens: output,
    cache_creation_input_tokens: cacheCreation,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheCreation, ephemeral_1h_input_tokens: 0 },
    server_tool_use: null,
    service_tier: 'standard',
  };
}

export function messageJson(message: Message): Body {
  return {
    ...head(message),
    content: message.blocks.map(blockJson),
    stop_reason: message.stopReason,
    usage: usageOf(message, message.billed.output),
  };
}

function head({ id, model }: Message): Body {
  return { id, type: 'message', role: 'assistant', model, stop_sequence: null };
}

function blockJson(block: Block): object {
  const whole = block.pieces.join('');
  switch (block.type) {
    case 'text':
      return { type: 'text', text: whole, citations: null };
    case 'thinking':
      return { type: 'thinking', thinking: whole, signature: 'c2lnbmVk' };
    case 'tool_use':
      return {
        type: 'tool_use',
        id: 'toolu_1',
        name: block.name,
        input: JSON.parse(whole) as unknown,
      };
  }
}

/** A streamed message's events; `delta` marks those that deliver output. */
export function eventsOf(message: Message): { readonly text: string; readonly delta: boolean }[] {
  const events: { text: string; delta: boolean }[] = [];
  const add = (data: Body, delta = false): void => {
    events.push({ text: eventText(data), delta });
  };
  add({
    type: 'message_start',
    message: { ...head(message), content: [], stop_reason: null, usage: usageOf(message, 1) },
  });
  add({ type: 'ping' });
  for (const [index, block] of message.blocks.entries()) {
    add({ type: 'content_block_start', index, content_block: blockStart(block) });
    for (const piece of block.pieces) {
      add({ type: 'content_block_delta', index, delta: deltaOf(block, piece) }, true);
    }
    if (block.type === 'thinking') {
      const delta = { type: 'signature_delta', signature: 'c2lnbmVk' };
      add({ type: 'content_block_delta', index, delta });
    }
    add({ type: 'content_block_stop', index });
  }
  add({
    type: 'message_delta',
    delta: { stop_reason: message.stopReason, stop_sequence: null },
    usage: usageOf(message, message.billed.output),
  });
  add({ type: 'message_stop' });
  return events;
}

function blockStart(block: Block): object {
  if (block.type === 'text') return { type: 'text', text: '' };
  if (block.type === 'thinking') return { type: 'thinking', thinking: '', signature: '' };
  return { type: 'tool_use', id: 'toolu_1', name: block.name, input: {} };
}

function deltaOf(block: Block, piece: string): object {
  if (block.type === 'text') return { type: 'text_delta', text: piece };
  if (block.type === 'thinking') return { type: 'thinking_delta', thinking: piece };
  return { type: 'input_json_delta', partial_json: piece };
}

export function eventText(data: Body): string {
  return `event: ${String(data['type'])}\ndata: ${JSON.stringify(data)}\n\n`;
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
};

export function errorJson(status: number, message: string): Body {
  const type = ERROR_TYPES[status] ?? 'api_error';
  return { type: 'error', error: { type, message }, request_id: 'req_stand_in' };
}

export function batchJson(id: string, url: string, ended: boolean, counts: Body): Body {
  return {
    id,
    type: 'message_batch',
    processing_status: ended ? 'ended' : 'in_progress',
    request_counts: counts,
    created_at: '2026-01-01T00:00:00Z',
    expires_at: '2026-01-02T00:00:00Z',
    ended_at: ended ? '2026-01-01T01:00:00Z' : null,
    archived_at: null,
    cancel_initiated_at: null,
    results_url: ended ? `${url}/v1/messages/batches/${id}/results` : null,
  };
}

import { invalidInput } from './errors.ts';

/**
 * A prompt in the shape of Anthropic's Messages API, and what is in it that costs tokens. Structural
 * types, so that the SDK's own parameters fit without depending on the SDK.
 */

interface PromptBlock {
  readonly type: string;
}

interface PromptMessage {
  readonly role: string;
  readonly content: string | readonly PromptBlock[];
}

export interface PromptContent {
  readonly system?: string | readonly PromptBlock[] | undefined;
  readonly messages: readonly PromptMessage[];
  readonly tools?: readonly object[] | undefined;
  /** What else the model reads, such as the schema that its answer must fit: counts as its JSON. */
  readonly extras?: readonly unknown[] | undefined;
}

/** What a prompt holds, by how it is priced. */
export interface PromptParts {
  /** Text of every kind: system, messages, tool definitions and inputs (as JSON), text documents. */
  readonly texts: readonly string[];
  readonly images: number;
  /** Pages of the PDFs that are in the prompt itself. */
  readonly pdfPages: number;
  /** Documents of unknown size: a URL, or a file at the provider. */
  readonly remoteDocuments: number;
  readonly messages: number;
  readonly tools: number;
}

/** More than the API takes (100,000 messages); ends the walk of a prompt that contains itself. */
const MAX_PARTS = 1_000_000;

/** Bytes of PDF taken for one page, where the file hides its page objects (compressed streams). */
const PDF_BYTES_PER_PAGE = 50_000;

/**
 * Takes a prompt apart. Walks a list of pending content instead of calling itself, so that deep
 * nesting can't exhaust the stack. A block of an unknown or malformed type counts as its JSON text.
 * @throws invalid_input when `messages` or `tools` is no list, or a part can't be written as JSON
 */
export function promptParts(prompt: PromptContent): PromptParts {
  const found = { texts: [] as string[], images: 0, pdfPages: 0, remoteDocuments: 0 };
  const messages = requireList('prompt.messages', prompt.messages);
  const tools = prompt.tools === undefined ? [] : requireList('prompt.tools', prompt.tools);
  const extras = prompt.extras === undefined ? [] : requireList('prompt.extras', prompt.extras);
  found.texts.push(...[...tools, ...extras].map(jsonText));

  const pending: unknown[] = [
    prompt.system,
    ...messages.map((message) => (isRecord(message) ? message['content'] : message)),
  ];
  for (let taken = 0; pending.length > 0; taken += 1) {
    if (taken > MAX_PARTS) throw invalidInput('prompt', `has over ${String(MAX_PARTS)} parts`);
    const content = pending.pop();
    if (typeof content === 'string') found.texts.push(content);
    else if (Array.isArray(content)) for (const block of content) pending.push(block);
    else if (isRecord(content)) takeBlock(content, found, pending);
    else if (content !== undefined) found.texts.push(jsonText(content));
  }
  return { ...found, messages: messages.length, tools: tools.length };
}

type Block = Readonly<Record<string, unknown>>;
interface Found {
  texts: string[];
  images: number;
  pdfPages: number;
  remoteDocuments: number;
}

function takeBlock(block: Block, found: Found, pending: unknown[]): void {
  switch (block['type']) {
    case 'text':
      pending.push(block['text']);
      return;
    case 'thinking':
      pending.push(block['thinking']);
      return;
    case 'image':
      found.images += 1;
      return;
    case 'document':
      pending.push(block['title'] ?? undefined, block['context'] ?? undefined);
      takeDocument(block['source'], found, pending);
      return;
    case 'tool_use':
      pending.push(block['name']);
      found.texts.push(jsonText(block['input']));
      return;
    case 'tool_result':
      pending.push(block['content']);
      return;
    default:
      found.texts.push(jsonText(block));
  }
}

function takeDocument(source: unknown, found: Found, pending: unknown[]): void {
  const { type, data, content }: Block = isRecord(source) ? source : {};
  if (type === 'base64' && typeof data === 'string') found.pdfPages += pdfPages(data);
  else if (type === 'text') pending.push(data);
  else if (type === 'content') pending.push(content);
  else if (type === 'url' || type === 'file') found.remoteDocuments += 1;
  else found.texts.push(jsonText(source));
}

/** Pages of a base64 PDF: its `/Type /Page` objects, else one for each 50,000 bytes; at least 1. */
function pdfPages(base64: string): number {
  const file = Buffer.from(base64, 'base64');
  const pages = file.toString('latin1').match(/\/Type\s*\/Page(?![^\s()<>[\]{}/%])/g)?.length ?? 0;
  return pages > 0 ? pages : Math.max(1, Math.ceil(file.length / PDF_BYTES_PER_PAGE));
}

function requireList(field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidInput(field, 'must be a list');
  return value;
}

function jsonText(value: unknown): string {
  try {
    // In a list, since what JSON has no word for is null there, and undefined alone.
    return JSON.stringify([value]).slice(1, -1);
  } catch {
    throw invalidInput('prompt', "has a part that can't be written as JSON");
  }
}

function isRecord(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import { estimateTokenCount } from 'tokenx';
import { invalidInput } from './errors.ts';
import { promptParts, type PromptContent, type PromptParts } from './prompt-content.ts';
import { MAX_TOKENS } from './tokens.ts';

/**
 * How many input tokens a prompt may cost, before it is sent.
 *
 * - `words`: ceil(words × 1.3), the specification's formula and the default. No bound: text without
 *   spaces (JSON, Chinese, base64) passes under it.
 * - `calibrated`: the greater of `words` and tokenx's estimate, by the model's tokenizer. Near the
 *   truth for ordinary text; no bound either.
 * - `bytes`: one token per UTF-8 byte. A byte-level tokenizer can't count more for text, so this is
 *   an upper bound for text; for PDFs and remote documents nothing is.
 */
export const ESTIMATORS = ['words', 'calibrated', 'bytes'] as const;
export type EstimatorName = (typeof ESTIMATORS)[number];

interface FixedCosts {
  readonly image: number;
  readonly pdfPage: number;
  /** Pages assumed of a document given as a URL or file id. */
  readonly remoteDocumentPages: number;
  readonly message: number;
  readonly tool: number;
  /** The instructions that the API adds once when there are tools. */
  readonly toolUse: number;
}

/**
 * Tokens of what is no text, from Anthropic's documentation (vision, PDF support, tool use):
 * an image costs width × height / 750, at most about 1,600, on models with high resolution 4,784;
 * a PDF page costs 1,500 to 3,000 for its text, and its image; a request has at most 100 pages below
 * a context of a million tokens; tool use adds 159 to 530 tokens by model. What a message's role and
 * a tool's framing cost is not documented: `hello` alone is counted at about 8, so these round up.
 */
const TYPICAL: FixedCosts = {
  image: 1_600,
  pdfPage: 3_000 + 1_600,
  remoteDocumentPages: 10,
  message: 8,
  tool: 16,
  toolUse: 346,
};
const GREATEST: FixedCosts = {
  image: 4_784,
  pdfPage: 3_000 + 4_784,
  remoteDocumentPages: 100,
  message: 16,
  tool: 32,
  toolUse: 1_024,
};

/**
 * Percent of tokens by the beginning of a Claude model's id; the first that fits counts. Opus 4.7 and
 * later models cut the same text into about 30 %, at most 35 % more tokens (Anthropic: token counting,
 * pricing), so a Claude model that is not listed is taken for a newer one.
 */
const NEW_TOKENIZER_PERCENT = 135;
const MODEL_PERCENT: readonly (readonly [prefix: string, percent: number])[] = [
  ['claude-2', 100],
  ['claude-3', 100],
  ['claude-instant', 100],
  ['claude-haiku-3', 100],
  ['claude-haiku-4', 100],
  ['claude-sonnet-3', 100],
  ['claude-sonnet-4', 100],
  ['claude-opus-3', 100],
  ['claude-opus-4-0', 100],
  ['claude-opus-4-1', 100],
  ['claude-opus-4-2025', 100],
  ['claude-opus-4-5', 100],
  ['claude-opus-4-6', 100],
  ['claude-', NEW_TOKENIZER_PERCENT],
];

/**
 * What tokenx prices far too low, by comparison with byte-pair tokenizers: long runs of letters and
 * digits (base64, hashes, ids), and the scripts from Hebrew to Khmer, which it takes for Latin words.
 */
const TOKENX_LANGUAGES = [
  { pattern: /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9]{8,}$/, averageCharsPerToken: 1.5 },
  { pattern: /[\u0590-\u109f\u1780-\u17ff]/, averageCharsPerToken: 1.5 },
];

/**
 * Input tokens that a prompt is estimated at; a whole number from 0 to 10^12. A string is text alone;
 * a Messages prompt adds the fixed costs of its messages, tools, images and documents.
 * @param model the id of the model that will answer; only `calibrated` uses it, and without one it
 *   takes the tokenizer that counts most
 * @throws invalid_input when the prompt has no such shape
 */
export function estimateInput(
  prompt: string | PromptContent,
  estimator: EstimatorName,
  model?: string,
): number {
  return Math.min(MAX_TOKENS, tokensOf(prompt, estimator, model));
}

function tokensOf(
  prompt: string | PromptContent,
  estimator: EstimatorName,
  model: string | undefined,
): number {
  if (typeof prompt === 'string') return textTokens([prompt], estimator, model);
  if (typeof prompt !== 'object' || (prompt as unknown) === null) {
    throw invalidInput('prompt', 'must be text, or an object with messages');
  }
  const parts = promptParts(prompt);
  const costs = estimator === 'bytes' ? GREATEST : TYPICAL;
  return textTokens(parts.texts, estimator, model) + fixedTokens(parts, costs);
}

/** The estimator that a caller named, in any case. @throws invalid_input listing the estimators */
export function parseEstimatorName(value: unknown, field: string): EstimatorName {
  const name = typeof value === 'string' ? value.trim().toLowerCase() : null;
  const found = ESTIMATORS.find((known) => known === name);
  if (found === undefined) {
    throw invalidInput(field, 'is no estimator', `the estimators are: ${ESTIMATORS.join(', ')}`);
  }
  return found;
}

function textTokens(
  texts: readonly string[],
  estimator: EstimatorName,
  model: string | undefined,
): number {
  switch (estimator) {
    case 'words':
      return wordTokens(texts);
    case 'calibrated': {
      const tokens = Math.max(wordTokens(texts), total(texts, tokenxTokens));
      return Math.ceil((tokens * modelPercent(model)) / 100);
    }
    case 'bytes':
      return total(texts, (text) => Buffer.byteLength(text, 'utf8'));
  }
}

function wordTokens(texts: readonly string[]): number {
  return Math.ceil((total(texts, countWords) * 13) / 10);
}

/** Runs of anything but white space. */
function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

function tokenxTokens(text: string): number {
  return estimateTokenCount(text, { languageConfigs: TOKENX_LANGUAGES });
}

/** Also of ids as other platforms write them: `us.anthropic.claude-opus-4-7-v1:0`, `anthropic/claude-opus-4.7`. */
function modelPercent(model: string | undefined): number {
  if (model === undefined) return NEW_TOKENIZER_PERCENT;
  const id = model.toLowerCase();
  const claude = id.slice(Math.max(0, id.indexOf('claude-'))).replaceAll(/[.@:]/g, '-');
  return MODEL_PERCENT.find(([prefix]) => claude.startsWith(prefix))?.[1] ?? 100;
}

function fixedTokens(parts: PromptParts, costs: FixedCosts): number {
  const pages = parts.pdfPages + parts.remoteDocuments * costs.remoteDocumentPages;
  return (
    parts.images * costs.image +
    pages * costs.pdfPage +
    parts.messages * costs.message +
    parts.tools * costs.tool +
    (parts.tools > 0 ? costs.toolUse : 0)
  );
}

function total(texts: readonly string[], tokens: (text: string) => number): number {
  return texts.reduce((sum, text) => sum + tokens(text), 0);
}

import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import type { EndedCall } from '../metrics/process-metrics.ts';
import { SeriesLabels } from '../metrics/series-labels.ts';

/** The steps that the conventions ask for. */
const TOKEN_STEPS = Array.from({ length: 14 }, (_, power) => 4 ** power);
const SECOND_STEPS = Array.from({ length: 14 }, (_, power) => 2 ** power / 100);

/**
 * Calls that this process admitted and that have ended, by OpenTelemetry's conventions for generative AI
 * (0.1.0). Holds that were released without an error are no calls.
 */
export class GenAiMetrics {
  readonly #aiTypes: SeriesLabels;
  /** Of requests and answers. */
  readonly #models = new SeriesLabels();
  readonly #input: Counter;
  readonly #output: Counter;
  readonly #cacheRead: Counter;
  readonly #cacheWrite: Counter;
  readonly #inputOfCall: Histogram;
  readonly #outputOfCall: Histogram;
  readonly #duration: Histogram;

  constructor(meter: Meter, aiTypes: SeriesLabels) {
    this.#aiTypes = aiTypes;
    const used = (what: string, description: string): Counter =>
      meter.createCounter(`gen_ai.client.inference.usage.${what}`, {
        unit: '{token}',
        description,
      });
    this.#input = used('input_tokens', 'Input tokens used, cached ones included');
    this.#output = used('output_tokens', 'Output tokens used');
    this.#cacheRead = used('cache_read.input_tokens', 'Input tokens read from a cache');
    this.#cacheWrite = used('cache_write.input_tokens', 'Input tokens written to a cache');
    const ofCall = (what: string, description: string): Histogram =>
      meter.createHistogram(`gen_ai.client.inference.operation.${what}`, {
        unit: '{token}',
        description,
        advice: { explicitBucketBoundaries: TOKEN_STEPS },
      });
    this.#inputOfCall = ofCall('input_tokens', 'Input tokens of a call');
    this.#outputOfCall = ofCall('output_tokens', 'Output tokens of a call');
    this.#duration = meter.createHistogram('gen_ai.client.inference.duration', {
      unit: 's',
      description: 'How long a call took, from its admission until it was settled or released',
      advice: { explicitBucketBoundaries: SECOND_STEPS },
    });
  }

  ended(call: EndedCall): void {
    const { end, result, items, ms } = call;
    if (result === 'released') return;
    const attributes = this.#attributesOf(call);
    const usage = end.kind === 'settle' ? end.usage : null;
    const { tokensIn, tokensOut, cacheReadTokens, cacheCreationTokens } = usage ?? NOTHING;
    // Whether tokens are of text or of an image is not told.
    const counted = { ...attributes, 'gen_ai.token.modality': 'unknown' };
    this.#input.add(tokensIn, counted);
    this.#output.add(tokensOut, counted);
    this.#cacheRead.add(cacheReadTokens, counted);
    this.#cacheWrite.add(cacheCreationTokens, counted);
    // What a batch took says nothing of a call.
    if (items !== 1) return;
    const failed = result === 'failed';
    this.#duration.record(
      ms / 1_000,
      failed ? { ...attributes, 'error.type': '_OTHER' } : attributes,
    );
    if (failed) return;
    this.#inputOfCall.record(tokensIn, attributes);
    this.#outputOfCall.record(tokensOut, attributes);
  }

  #attributesOf({ aiType, model, end }: EndedCall): Attributes {
    const answered = end.kind === 'settle' ? end.model : null;
    return {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': providerOf(model, answered),
      ...(model === null ? {} : { 'gen_ai.request.model': this.#models.of(model) }),
      ...(answered === null ? {} : { 'gen_ai.response.model': this.#models.of(answered) }),
      'tokenctl.ai_type': this.#aiTypes.of(aiType),
    };
  }
}

const NOTHING = { tokensIn: 0, tokensOut: 0, cacheReadTokens: 0, cacheCreationTokens: 0 };

/** Nobody says which provider was called, but models of one are named alike. */
function providerOf(...models: readonly (string | null)[]): string {
  return models.some((model) => model?.startsWith('claude') === true) ? 'anthropic' : 'unknown';
}

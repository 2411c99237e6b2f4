import type { Served } from '../../server/gateway/serving.ts';
import { count } from './text.ts';

/** One request, on one line: `POST /v1/messages imperium 200 used 1,234 in 312 ms 0193…`. */
export function servedLine(served: Served, ms: number): string {
  const { method, path, aiType, status, reservationId, outcome } = served;
  return [
    `${method} ${path.slice(0, 200)}`,
    aiType ?? '-',
    status ?? 'left',
    outcomeText(outcome),
    `${count(Math.round(ms))} ms`,
    reservationId ?? '-',
  ].join(' ');
}

function outcomeText(outcome: Served['outcome']): string {
  if (outcome === null) return '-';
  if (outcome.kind !== 'used') return outcome.kind;
  const { inputTokens, outputTokens, cacheCreationInputTokens, cacheReadInputTokens } =
    outcome.usage;
  const input = inputTokens + cacheCreationInputTokens + cacheReadInputTokens;
  return `in ${count(input)} out ${count(outputTokens)}`;
}

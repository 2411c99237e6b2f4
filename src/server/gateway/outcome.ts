import type { Meter } from '../../anthropic/meter.ts';
import {
  outcomeOfAnswer,
  outcomeOfError,
  outcomeOfStatus,
  type Outcome,
} from '../../anthropic/outcome.ts';
import type { Passage } from './upstream.ts';

/**
 * What an exchange with upstream is charged.
 * @param meter has read the answer's body
 * @param mostInferred the output tokens that were reserved
 */
export function outcomeOfPassage(
  { status, end, sent, error }: Passage,
  meter: Meter | null,
  mostInferred: number,
): Outcome {
  if (status === null) {
    return sent ? outcomeOfError(error) : { kind: 'free', error: error?.message ?? 'not sent' };
  }
  const refused = outcomeOfStatus(status);
  if (refused !== null) return refused;
  if (meter === null) return { kind: 'unknown', error: 'the answer was not read' };
  return outcomeOfAnswer(meter.answer(end === 'whole', mostInferred));
}

import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** The months outlive the log, which can be pruned; on PostgreSQL the log is ahead of them until the next fold. */
const SQL = {
  name: 'known_ai_type',
  sql: `SELECT 1 AS found FROM token_usage WHERE ai_type = @aiType
    UNION ALL SELECT 1 AS found FROM token_usage_logs WHERE ai_type = @aiType LIMIT 1`,
} satisfies PlainStatement;

/** Whether an AI type ever had a request, in any month. */
export function* hadRequests(ops: Operations, aiType: string): Step<boolean> {
  return (yield* step(ops.query<object>(SQL, { aiType }))).length > 0;
}

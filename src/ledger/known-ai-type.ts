import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** Counts outlive the log, which can be pruned, and is long; on PostgreSQL deltas are ahead of them until the next fold. */
const SQL = {
  name: 'known_ai_type',
  sql: `SELECT 1 AS found FROM usage_windows WHERE scope_kind = 'ai_type' AND scope_name = @aiType
    UNION ALL SELECT 1 AS found FROM usage_deltas WHERE scope_kind = 'ai_type' AND scope_name = @aiType LIMIT 1`,
} satisfies PlainStatement;

/** Whether an AI type ever had a request, in any month. */
export function* hadRequests(ops: Operations, aiType: string): Step<boolean> {
  return (yield* step(ops.query<object>(SQL, { aiType }))).length > 0;
}

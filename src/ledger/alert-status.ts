import type { Alert } from './alerts.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** What `status` and every screen say of alerts: what is raised, who takes care of it, and the silence. */

/** While it lasts, nothing goes to the configuration's channels. */
export interface Silence {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly reason: string;
  readonly actor: string | null;
}

/** An alert that is raised now, and whether someone takes care of it. */
interface OpenAlert {
  readonly id: string;
  readonly kind: Alert['kind'];
  readonly level: Alert['level'];
  readonly raisedAtMs: number;
  readonly ackedAtMs: number | null;
  readonly ackedBy: string | null;
}

/** What every screen says of alerts. */
export interface AlertCare {
  readonly nowMs: number;
  /** Raised now, the newest first. */
  readonly open: readonly OpenAlert[];
  /** Null when none lasts. */
  readonly silence: Silence | null;
}

/** An open alert; or, with a reason, a silence, whose begin, end and actor stand in the same columns. */
interface SqlCare {
  id: string;
  kind: Alert['kind'];
  level: Alert['level'];
  raised_at_ms: number;
  acked_at_ms: number | null;
  acked_by: string | null;
  reason: string | null;
}

const CARE: PlainStatement = {
  name: 'alert_care',
  sql: `SELECT id, kind, level, raised_at_ms, acked_at_ms, acked_by, NULL AS reason FROM alerts WHERE state = 'raised'
    UNION ALL
    SELECT id, NULL, NULL, from_ms, until_ms, actor, reason FROM alert_silences
    WHERE from_ms <= @now AND until_ms > @now`,
};

/** What is raised and the silence that lasts, by one statement: `status` asks for it too. */
export function* readCare(ops: Operations): Step<AlertCare> {
  const rows = yield* step(ops.query<SqlCare>(CARE, { now: ops.nowMs }));
  const silences = rows.flatMap(({ raised_at_ms, acked_at_ms, acked_by, reason }) =>
    reason === null || acked_at_ms === null
      ? []
      : [{ fromMs: raised_at_ms, untilMs: acked_at_ms, reason, actor: acked_by }],
  );
  const open = rows
    .filter(({ reason }) => reason === null)
    .map((row) => ({
      ...{ id: row.id, kind: row.kind, level: row.level, raisedAtMs: row.raised_at_ms },
      ...{ ackedAtMs: row.acked_at_ms, ackedBy: row.acked_by },
    }));
  return {
    nowMs: ops.nowMs,
    open: open.toSorted((a, b) => b.raisedAtMs - a.raisedAtMs),
    silence: silences.toSorted((a, b) => b.untilMs - a.untilMs)[0] ?? null,
  };
}

import type { Outcome } from '../../anthropic/outcome.ts';
import type { Suggest } from '../../budget/suggest.ts';
import type { Budget } from '../../guard/hold.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { Callers } from './callers.ts';
import type { Upstream } from './upstream.ts';

/** What serving a request needs; the same for all of them. */
export interface Serving {
  readonly budget: Budget;
  readonly runtime: Runtime;
  readonly upstream: Upstream;
  readonly callers: Callers;
  /** The names that are this gateway's, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
  /** Whether paths that are not known are passed on; what they cost is not counted. */
  readonly passUnknown: boolean;
  readonly mostBodyBytes: number;
  /** How long a call may wait for a window or rate that frees in time, in ms. */
  readonly maxWaitMs: number;
  /** For the commands in refusals. */
  readonly suggest: Suggest;
  /** Whether the gateway itself breaks open calls off, as it must stop. */
  readonly isCutShort: () => boolean;
  readonly warn: (message: string) => void;
}

/** How a request was served, for a log. Without keys, and without what was said. */
export interface Served {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly aiType: string | null;
  /** What the client got; null when it went away before. */
  readonly status: number | null;
  readonly reservationId: string | null;
  readonly outcome: Outcome | null;
}

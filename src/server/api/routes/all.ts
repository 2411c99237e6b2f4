import type { Operation } from '../operation.ts';
import { ALERTS } from './alerts.ts';
import { DENIALS } from './denials.ts';
import { LIMITS } from './limits.ts';
import { METRICS } from './metrics.ts';
import { RESERVATIONS } from './reservations.ts';
import { RESETS } from './resets.ts';
import { STATUS } from './status.ts';
import { TOKEN_USAGE } from './token-usage.ts';
import { USAGE } from './usage.ts';

/** Every operation, in the order in which the OpenAPI document has them. */
export const OPERATIONS: readonly Operation[] = [
  ...TOKEN_USAGE,
  ...RESERVATIONS,
  ...STATUS,
  ...USAGE,
  ...DENIALS,
  ...LIMITS,
  ...RESETS,
  ...ALERTS,
  ...METRICS,
];

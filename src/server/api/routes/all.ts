import type { Operation } from '../operation.ts';
import { ALERTS } from './alerts.ts';
import { LIMITS } from './limits.ts';
import { METRICS } from './metrics.ts';
import { RESERVATIONS } from './reservations.ts';
import { RESETS } from './resets.ts';
import { STATUS } from './status.ts';
import { TOKEN_USAGE } from './token-usage.ts';

/** Every operation, in the order in which the OpenAPI document has them. */
export const OPERATIONS: readonly Operation[] = [
  ...TOKEN_USAGE,
  ...RESERVATIONS,
  ...STATUS,
  ...LIMITS,
  ...RESETS,
  ...ALERTS,
  ...METRICS,
];

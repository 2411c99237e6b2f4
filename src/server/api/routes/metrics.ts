import { operation } from '../operation.ts';

/** What Prometheus scrapes. */
const metrics = operation({
  ...{ method: 'get', path: '/metrics', id: 'getMetrics', tag: 'Metrics', access: 'read' },
  summary: 'Metrics for Prometheus: the ledger as it is, and what this process has answered',
  description:
    'At most a second old. docs/metrics.md has every metric. Where the database does not answer, tokenctl_ledger_up is 0 and what is read from it is left out.',
  answers: { 200: { description: 'Text format 0.0.4.', schema: 'text/plain' } },
  answer: async ({ services }) => ({
    text: await services.metrics.text(),
    contentType: services.metrics.contentType,
  }),
});

export const METRICS = [metrics];

import { expect, it } from 'vitest';
import { telemetrySettings } from '../../src/cli/telemetry.ts';
import { temporaryCli } from '../support/cli.ts';

const LOCAL = 'http://localhost:4318/v1/metrics';

it.each([
  [true, {}, LOCAL],
  ['http://localhost:4318', {}, LOCAL],
  ['https://otel.example.com/', {}, 'https://otel.example.com/v1/metrics'],
  ['https://otel.example.com/take/metrics', {}, 'https://otel.example.com/take/metrics'],
  [true, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, LOCAL],
  [true, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318' }, 'http://a:4318/v1/metrics'],
  [true, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a/otel/' }, 'http://a/otel/v1/metrics'],
  [true, { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://a/take' }, 'http://a/take'],
  [
    true,
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://b' },
    'http://b/',
  ],
  ['http://c', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://b' }, 'http://c/v1/metrics'],
] as const)('--otlp %s with %j sends to %s', (otlp, environment, url) => {
  const settings = telemetrySettings({ otlp }, environment);
  expect(settings).toMatchObject({ intervalMs: 60_000 });
  expect(settings?.url.href).toBe(url);
});

it('without the flag nothing of the environment matters', () => {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' };
  expect(telemetrySettings({}, environment)).toBe(null);
});

it.each([
  [['--otlp', 'collector:4318'], {}, '--otlp: must be an http or https URL'],
  [['--otlp', '//collector'], {}, '--otlp: is no URL'],
  [['--otlp', 'https://me:secret@a'], {}, '--otlp: must hold no credentials'],
  [['--otlp', 'https://a?key=secret'], {}, '--otlp: must hold no query'],
  [
    ['--otlp'],
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://a' },
    'OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL',
  ],
  [
    ['--otlp'],
    { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: '4318' },
    'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: is no URL',
  ],
  [
    ['--otlp'],
    { OTEL_METRIC_EXPORT_INTERVAL: '500' },
    'OTEL_METRIC_EXPORT_INTERVAL: must be at least 1000, not 500',
  ],
])('%j with %j is refused in one line and a hint', async (flags, env, line) => {
  const cli = temporaryCli();
  for (const command of ['serve', 'gateway']) {
    const { code, stdout, stderr } = await cli.run([command, ...flags], { env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tokenctl: [^\n]*\n {2}-> [^\n]*\n$/);
    expect(stderr).toContain(`tokenctl: ${line}`);
    expect(stderr).not.toContain('secret');
  }
});

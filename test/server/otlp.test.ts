import { expect, it } from 'vitest';
import { HELLO } from '../support/anthropic-client.ts';
import { openApi, type OpenedApi } from '../support/api.ts';
import { openGateway } from '../support/gateway.ts';
import { newestExport, type SentMetrics } from '../support/otlp.ts';
import { until } from '../support/processes.ts';
import { httpReceiver } from '../support/receivers.ts';
import type { RunningCli } from '../support/running-cli.ts';

const RESERVE = '/api/v1/reservations';
const INFERENCE = 'gen_ai.client.inference';

interface Call {
  readonly aiType?: string;
  readonly model?: string;
  readonly input?: number;
}

async function reserve(
  { ask }: OpenedApi,
  { aiType = 'imperium', model, input = 90 }: Call = {},
): Promise<string | undefined> {
  const body = { aiType, model, estimate: { input, output: 10 } };
  const { body: verdict } = await ask<{ reservation?: { id: string } }>(RESERVE, { body });
  return verdict.reservation?.id;
}

async function call(
  opened: OpenedApi,
  made: Call,
  body: object,
  end: 'settle' | 'release' = 'settle',
): Promise<void> {
  const id = await reserve(opened, made);
  expect((await opened.ask(`${RESERVE}/${id!}/${end}`, { body })).status).toBe(200);
}

async function stop({ child, done }: RunningCli): Promise<{ ms: number; stderr: string }> {
  const startedMs = performance.now();
  child.kill('SIGTERM');
  const { code, stderr } = await done;
  expect(code).toBe(0);
  return { ms: performance.now() - startedMs, stderr };
}

/** The one point that has these attributes among others. */
function pointOf(
  { metrics }: SentMetrics,
  name: string,
  wanted: Readonly<Record<string, string>> = {},
) {
  const points = metrics.get(name)?.points ?? [];
  const fits = points.filter(({ attributes }) =>
    Object.entries(wanted).every(([key, value]) => attributes[key] === value),
  );
  expect(fits, `${name} ${JSON.stringify(wanted)}`).toHaveLength(1);
  return fits[0]!;
}

it('serve sends calls by the conventions, and what /metrics shows, at its end too', async () => {
  const collector = await httpReceiver();
  const opened = await openApi('sqlite', {
    limits: { monthly: 5_000, enforcedMonthly: 5_000 },
    aiTypes: { guardian: { monthly: 400 } },
    args: ['--otlp', collector.url],
    env: {
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=secret%20one',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production',
    },
  });
  // At once: a wrong URL is told at once, too.
  await until(() => collector.taken.length === 1);
  const sonnet = { model: 'claude-sonnet-4-5' };
  const usage = { inputTokens: 300, outputTokens: 20, cacheReadInputTokens: 50 };
  await call(opened, sonnet, { ...usage, model: 'claude-sonnet-4-5-20250929' });
  await call(opened, sonnet, { inputTokens: 100, outputTokens: 5 });
  await call(opened, sonnet, { unknown: true, error: 'no answer' });
  await call(opened, sonnet, { error: 'overloaded' }, 'release');
  await call(opened, sonnet, {}, 'release');
  expect(await reserve(opened, { aiType: 'guardian', input: 500 })).toBe(undefined);
  await reserve(opened, { aiType: 'guardian' });
  const status = await opened.app.status();
  await stop(opened.api);

  const { path, headers } = collector.taken.at(-1)!;
  expect(path).toBe('/v1/metrics');
  expect(headers).toMatchObject({ 'api-key': 'secret one', 'content-type': 'application/json' });
  const sent = newestExport(collector);
  expect(sent.resource).toMatchObject({
    'service.name': 'tokenctl',
    'service.version': '0.1.0',
    'deployment.environment.name': 'production',
  });
  expect(sent.resource['service.instance.id']).toMatch(/^[0-9a-f-]{36}$/);

  const shape = [...sent.metrics]
    .filter(([name]) => name.startsWith('gen_ai.'))
    .map(([name, { kind, unit }]) => `${name} ${kind} ${unit}`);
  expect(shape.toSorted()).toEqual([
    `${INFERENCE}.duration histogram s`,
    `${INFERENCE}.operation.input_tokens histogram {token}`,
    `${INFERENCE}.operation.output_tokens histogram {token}`,
    `${INFERENCE}.usage.cache_read.input_tokens counter {token}`,
    `${INFERENCE}.usage.cache_write.input_tokens counter {token}`,
    `${INFERENCE}.usage.input_tokens counter {token}`,
    `${INFERENCE}.usage.output_tokens counter {token}`,
  ]);
  const asked = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': 'claude-sonnet-4-5',
    'tokenctl.ai_type': 'imperium',
  };
  const answered = { ...asked, 'gen_ai.response.model': 'claude-sonnet-4-5-20250929' };
  const counted = { ...answered, 'gen_ai.token.modality': 'unknown' };
  const input = pointOf(sent, `${INFERENCE}.usage.input_tokens`, counted);
  expect(input).toMatchObject({ attributes: counted, value: 350 });
  expect(pointOf(sent, `${INFERENCE}.usage.output_tokens`, counted).value).toBe(20);
  expect(pointOf(sent, `${INFERENCE}.usage.cache_read.input_tokens`, counted).value).toBe(50);
  expect(pointOf(sent, `${INFERENCE}.usage.cache_write.input_tokens`, counted).value).toBe(0);
  const ofCall = pointOf(sent, `${INFERENCE}.operation.input_tokens`, answered);
  expect(ofCall).toMatchObject({ attributes: answered, value: 350, count: 1 });
  expect(ofCall.bounds).toEqual([
    ...[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304],
    ...[16_777_216, 67_108_864],
  ]);
  const failed = pointOf(sent, `${INFERENCE}.duration`, { 'error.type': '_OTHER' });
  expect(failed).toMatchObject({ attributes: { ...asked, 'error.type': '_OTHER' }, count: 2 });
  const duration = pointOf(sent, `${INFERENCE}.duration`, answered);
  expect(duration.count).toBe(1);
  expect(duration.value).toBeGreaterThan(0);
  expect(duration.value).toBeLessThan(20);
  expect(duration.bounds).toEqual([
    ...[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  ]);

  const month = status.windows.find((each) => each.scope === 'global' && each.window === 'month')!;
  const global = { scope: 'global', window: 'month' };
  for (const [name, value] of [
    ['usage', month.used],
    ['held', month.held],
    ['limit', 5_000],
  ] as const) {
    expect(pointOf(sent, `tokenctl_${name}_tokens`, global).value).toBe(value);
    expect(sent.metrics.get(`tokenctl_${name}_tokens`)).toMatchObject({
      kind: 'gauge',
      unit: '{token}',
    });
  }
  expect(pointOf(sent, 'tokenctl_limit_tokens', { ai_type: 'guardian' }).value).toBe(400);
  const results = sent.metrics.get('tokenctl_requests_total')!;
  expect(results).toMatchObject({ kind: 'counter', unit: '{request}' });
  const requests = ['settled', 'failed', 'released', 'denied'].map(
    (result) => pointOf(sent, 'tokenctl_requests_total', { ai_type: 'imperium', result }).value,
  );
  expect(requests).toEqual([2, 2, 1, 0]);
  const broken = pointOf(sent, 'tokenctl_denial_reasons_total', { code: 'window_exceeded' });
  expect(broken).toMatchObject({ attributes: { window: 'month' }, value: 1 });
});

it('gateway sends the calls that it passed on', async () => {
  const collector = await httpReceiver();
  const { client, gateway, counts } = await openGateway('sqlite', {
    args: ['--otlp'],
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/collector/`,
      OTEL_SERVICE_NAME: 'llm-gateway',
    },
  });
  await client.messages.create(HELLO);
  await until(async () => (await counts()).held === 0);
  const { used } = await counts();
  await stop(gateway);
  expect(collector.taken.at(-1)!.path).toBe('/collector/v1/metrics');
  const sent = newestExport(collector);
  expect(sent.resource['service.name']).toBe('llm-gateway');
  const input = pointOf(sent, `${INFERENCE}.usage.input_tokens`);
  expect(input.attributes).toMatchObject({
    'gen_ai.request.model': HELLO.model,
    'gen_ai.response.model': 'stand-in-1',
    'tokenctl.ai_type': 'imperium',
  });
  const output = pointOf(sent, `${INFERENCE}.usage.output_tokens`);
  expect(input.value + output.value).toBe(used);
  expect(pointOf(sent, `${INFERENCE}.duration`).count).toBe(1);
  expect(pointOf(sent, 'tokenctl_usage_tokens', { scope: 'global', window: 'month' }).value).toBe(
    used,
  );
});

it('names of strangers make no more series than a hundred each, and one', async () => {
  const collector = await httpReceiver();
  const opened = await openApi('sqlite', { args: ['--otlp', collector.url] });
  const all = Array.from({ length: 110 }, (_, number) => String(number));
  await Promise.all(
    all.map((each) =>
      call(
        opened,
        { aiType: `type-${each}`, model: `asked-${each}` },
        { inputTokens: 1, outputTokens: 1, model: `answered-${each}` },
      ),
    ),
  );
  await stop(opened.api);
  const { points } = newestExport(collector).metrics.get(`${INFERENCE}.usage.input_tokens`)!;
  expect(points.reduce((sum, { value }) => sum + value, 0)).toBe(110);
  const names = (...keys: string[]) =>
    new Set(points.flatMap(({ attributes }) => keys.map((key) => attributes[key])));
  expect(names('tokenctl.ai_type').size).toBe(101);
  expect(names('gen_ai.request.model', 'gen_ai.response.model').size).toBe(101);
});

it('a collector that is silent, down or refuses holds nobody up, and is told once', async () => {
  const collector = await httpReceiver();
  collector.answer = () => 'silent';
  const opened = await openApi('sqlite', {
    args: ['--otlp', `${collector.url}/`],
    env: { OTEL_METRIC_EXPORT_INTERVAL: '1000' },
  });
  const { api } = opened;
  await until(() => collector.posted.length === 1);
  let calls = 0;
  // An export is always under way, and takes a second: five calls that waited for it would, too.
  await until(async () => {
    const startedMs = performance.now();
    for (let made = 0; made < 5; made += 1) {
      await call(opened, {}, { inputTokens: 1, outputTokens: 1 });
    }
    calls += 5;
    return performance.now() - startedMs < 900;
  });
  await api.prints('stderr', /metrics do not reach .*: Request timed out; tried again every 1 sec/);
  const lost = collector.posted.length;
  await until(() => collector.posted.length >= lost + 2, 10_000);
  collector.answer = () => ({ status: 200, body: '{}' });
  await api.prints('stderr', /metrics reach .* again/);
  const { points } = newestExport(collector).metrics.get(`${INFERENCE}.usage.input_tokens`)!;
  expect(points.map(({ value }) => value)).toEqual([calls]);

  collector.answer = () => ({ status: 401 });
  await api.prints('stderr', /metrics do not reach .*: it answers HTTP 401 Unauthorized/);
  collector.answer = () => 'silent';
  const { ms, stderr } = await stop(api);
  expect(ms).toBeLessThan(8_000);
  expect(stderr.match(/do not reach/g)).toHaveLength(2);
  expect(stderr.match(/ again\n/g)).toHaveLength(1);
}, 40_000);

it('nothing is sent, nor loaded for it, without the flag, whatever the environment says', async () => {
  const collector = await httpReceiver();
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
    OTEL_METRICS_EXPORTER: 'otlp',
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(SAY_WHAT_WAS_LOADED)}`,
  };
  const plain = await openApi('sqlite', { env });
  await call(plain, {}, { inputTokens: 1, outputTokens: 1 });
  const { stderr } = await stop(plain.api);
  expect(stderr).toMatch(/loaded .*\bmain\.cjs/);
  expect(stderr).not.toMatch(/otlp-sender/);
  expect(collector.posted).toEqual([]);
  const sending = await openApi('sqlite', { env, args: ['--otlp'] });
  expect((await stop(sending.api)).stderr).toMatch(/loaded .*\botlp-sender-/);
  expect(collector.taken).not.toEqual([]);
});

const SAY_WHAT_WAS_LOADED = `
  import { Module } from 'node:module';
  import { basename } from 'node:path';
  process.on('exit', () => {
    console.error('loaded', Object.keys(Module._cache).map((path) => basename(path)).join(' '));
  });
`;

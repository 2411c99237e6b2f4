/** A real Prometheus on the files of deploy/, made impatient: it scrapes and evaluates twice a second. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './processes.ts';
import { temporaryDirectory } from './sqlite.ts';

export const DEPLOY = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url));

interface Result {
  readonly metric: Readonly<Record<string, string>>;
  /** When, and what, as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus {
  /** What an expression gives now. @throws with the reason where it is wrong */
  readonly query: (expression: string) => Promise<readonly Result[]>;
  /** The names of the alerts that fire now. */
  readonly firing: () => Promise<readonly string[]>;
}

/** @throws when Prometheus's programs are not installed */
function requirePrometheus(): void {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error(
      'prometheus is not installed: apt-get install -y --no-install-recommends prometheus',
    );
  }
}

/** Runs promtool, with this on its standard input. */
export function promtool(args: string[], input = '') {
  requirePrometheus();
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Starts it on what serves metrics at this address, and ends it with the test. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  requirePrometheus();
  const directory = temporaryDirectory();
  writeConfiguration(directory, target);
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const url = `http://127.0.0.1:${port}`;
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(url + path);
    const body = (await response.json()) as { data: T; error?: string };
    if (!response.ok) throw new Error(`${path}: ${body.error ?? String(response.status)}`);
    return body.data;
  };
  await until(async () => {
    if (child.exitCode !== null) throw new Error('prometheus has ended');
    return (await fetch(`${url}/-/ready`).catch(() => null))?.ok === true;
  }, 20_000);
  return {
    async query(expression) {
      const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
      return (await ask<{ result: Result[] }>(path)).result;
    },
    async firing() {
      const { alerts } = await ask<{
        alerts: { state: string; labels: Record<string, string> }[];
      }>('/api/v1/alerts');
      return alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels['alertname'] ?? '')
        .toSorted();
    },
  };
}

function writeConfiguration(directory: string, target: string): void {
  const changed = (text: string): string =>
    text
      .replaceAll('15s', '500ms')
      .replaceAll(/for: \d+[mh]/g, 'for: 1s')
      .replace('localhost:4000', target);
  mkdirSync(join(directory, 'rules'));
  for (const file of ['prometheus.yml', ...readdirSync(join(DEPLOY, 'rules')).map(inRules)]) {
    writeFileSync(join(directory, file), changed(readFileSync(join(DEPLOY, file), 'utf8')));
  }
}

function inRules(file: string): string {
  return join('rules', file);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

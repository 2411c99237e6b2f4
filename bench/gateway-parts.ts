import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Agent } from 'undici';
import type { DatabaseTarget } from '../src/config/database.ts';

/** The processes that the bench of the gateway has, and its client. */

export interface Served {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export async function startProvider(): Promise<Served> {
  const child = fork(join(import.meta.dirname, 'provider.ts'), { execArgv: ['--import', 'tsx'] });
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${String(port)}`,
    process: child,
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

export async function startGateway(target: DatabaseTarget, upstream: string): Promise<Served> {
  const flags = ['--json', '--port', '0', '--ai-type', 'bench', '--drain-timeout', '0'];
  const words = ['gateway', '--database', target.url, '--upstream', upstream, ...flags];
  const bin = join(import.meta.dirname, '../bin/tokenctl.js');
  const child = spawn(process.execPath, [bin, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    url: (JSON.parse(line) as { url: string }).url,
    process: child,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

const HEADERS = { 'x-api-key': 'sk-bench', 'content-type': 'application/json' };
const BODY = JSON.stringify({
  model: 'bench',
  max_tokens: 20,
  messages: [{ role: 'user', content: 'How are you?' }],
});

/** A client with as many connections as it needs. */
export class Client {
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 });

  /** One call to its end. @returns when its first byte came */
  async call(url: string, headers: Record<string, string> = {}): Promise<number> {
    const { statusCode, body } = await this.#request(url, headers);
    let firstMs = 0;
    body.on('data', () => (firstMs ||= performance.now()));
    await once(body, 'end');
    if (statusCode !== 200) throw new Error(`status ${String(statusCode)}`);
    return firstMs;
  }

  /** Opens a stream and waits for its first byte; it stays open. */
  async open(url: string): Promise<void> {
    const { body } = await this.#request(url, { 'x-stream': '1', 'x-hold': '1' });
    await once(body, 'readable');
    body.on('error', () => undefined);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #request(url: string, headers: Record<string, string>) {
    return this.#agent.request({
      origin: url,
      path: '/v1/messages',
      method: 'POST',
      headers: { ...HEADERS, ...headers },
      body: BODY,
    });
  }
}

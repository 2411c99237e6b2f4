import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import autocannon, { type Request } from 'autocannon';
import type { DatabaseTarget } from '../src/config/database.ts';

/** The processes that the bench of the HTTP API has, and its clients. */

export interface Server {
  readonly url: string;
  /** Its resident memory, in MiB. */
  residentMiB(): number;
  stop(): Promise<void>;
}

/** The built `tokenctl serve`. */
export async function startServe(target: DatabaseTarget): Promise<Server> {
  const bin = join(import.meta.dirname, '../bin/tokenctl.js');
  const words = ['serve', '--json', '--port', '0', '--database', target.url];
  const child = spawn(process.execPath, [bin, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return serverOf(child, (JSON.parse(line) as { url: string }).url);
}

/** The probe: node:http alone, which reads a request's JSON and answers another. */
export async function startBareHttp(): Promise<Server> {
  const child = fork(join(import.meta.dirname, 'bare-http.ts'), { execArgv: ['--import', 'tsx'] });
  const [port] = (await once(child, 'message')) as [number];
  return serverOf(child, `http://127.0.0.1:${String(port)}`);
}

function serverOf(child: ChildProcess, url: string): Server {
  return {
    url,
    residentMiB: () =>
      Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)]).toString()) / 1_024,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

export interface Loaded {
  /** Answered requests. */
  readonly requests: number;
  readonly seconds: number;
  /** How often each status came. */
  readonly statuses: Readonly<Record<string, number>>;
}

/**
 * So many clients, each with one connection, who ask again as soon as they are answered.
 * @param until a time, at the end of which some answers are still under way, or how many requests are answered
 */
export async function load(
  url: string,
  clients: number,
  until: { readonly duration: number } | { readonly amount: number },
  requests: Request[],
): Promise<Loaded> {
  const result = await autocannon({ url, connections: clients, ...until, requests });
  if (result.errors > 0) throw new Error(`${String(result.errors)} requests got no answer`);
  const statuses = Object.fromEntries(
    Object.entries(result.statusCodeStats ?? {}).map(([status, { count }]) => [status, count ?? 0]),
  );
  const answered = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  return { requests: answered, seconds: result.duration, statuses };
}

export interface Pairs {
  /** How long each answer to a reserve took, in ms. */
  readonly reserveMs: number[];
  admitted: number;
  settled: number;
  denied: number;
}

interface Context {
  startedMs?: number;
  id?: string;
}

/** A reserve of 100 tokens; once it is admitted, a settle of 100. */
export function reserveAndSettle(token: string, pairs: Pairs): Request[] {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const reserve = { aiType: 'bench', estimate: { input: 80, output: 20 } };
  return [
    {
      ...{ method: 'POST', path: '/api/v1/reservations', headers },
      body: JSON.stringify(reserve),
      setupRequest: (request, context: Context) => {
        context.startedMs = performance.now();
        return request;
      },
      onResponse: (status, body, context: Context) => {
        pairs.reserveMs.push(performance.now() - (context.startedMs ?? 0));
        if (status !== 201) {
          pairs.denied += 1;
          return;
        }
        pairs.admitted += 1;
        context.id = (JSON.parse(body) as { reservation: { id: string } }).reservation.id;
      },
    },
    {
      ...{ method: 'POST', headers },
      body: JSON.stringify({ inputTokens: 80, outputTokens: 20 }),
      // Nothing to settle begins anew.
      setupRequest: (request, { id }: Context) =>
        (id === undefined
          ? undefined
          : { ...request, path: `/api/v1/reservations/${id}/settle` }) as Request,
      onResponse: (status) => {
        if (status !== 200) throw new Error(`a settle was answered with ${String(status)}`);
        pairs.settled += 1;
      },
    },
  ];
}

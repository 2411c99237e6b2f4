/** The examples, run as they are. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { OpenedGateway } from './gateway.ts';
import { until } from './processes.ts';

export const example = (name: string) =>
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as it is, with the gateway as its base URL. */
export function run(program: string, args: readonly string[], baseUrl = ''): Promise<Run> {
  const env = {
    PATH: process.env['PATH'],
    ANTHROPIC_BASE_URL: baseUrl,
    ANTHROPIC_API_KEY: 'sk-test',
  };
  return new Promise((resolve) => {
    execFile(program, args, { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** What each AI type was charged, once nothing is held. */
export async function charged({ app }: OpenedGateway): Promise<unknown> {
  await until(async () => (await app.status()).windows[0]?.held === 0);
  return (await app.status()).aiTypes.map(({ aiType, used }) => [aiType, used]);
}

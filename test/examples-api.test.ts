import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openApi } from './support/api.ts';

const page = readFileSync(new URL('../docs/api.md', import.meta.url), 'utf8');
/** Each command of the page that calls the API, with the lines that it goes on over. */
const commands = [...page.matchAll(/```sh\n([^]*?)```/g)]
  .flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
  .filter((line) => line.startsWith('curl '));

test('the curl commands of docs/api.md do what they say', async () => {
  const { api, token, app } = await openApi('sqlite');
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    URL: api.url,
    TOKEN: await token({ scopes: ['reserve'], aiTypes: ['imperium'] }),
    ADMIN: await token(),
  };
  expect(commands.length).toBe(4);
  for (const command of commands) {
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile('bash', ['-c', command], { env }, (error, text) => {
        if (error instanceof Error) reject(error);
        else resolve(text);
      });
    });
    const answer = JSON.parse(stdout) as { code?: string; reservation?: { id: string } };
    expect([command, answer.code]).toEqual([command, undefined]);
    if (answer.reservation !== undefined) env['ID'] = answer.reservation.id;
  }
  expect((await app.status()).aiTypes).toMatchObject([{ aiType: 'imperium', used: 52, held: 0 }]);
});

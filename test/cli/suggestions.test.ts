/** Commands that tokenctl suggests work as they are pasted, on the database that was named. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

/** The command at the end of the line that says what to do. */
function suggested(text: string): string {
  const found = /^ {2}-> .*?(tokenctl .*)$/m.exec(text)?.[1];
  if (found === undefined) throw new Error(`nothing is suggested:\n${text}`);
  return found;
}

describe('a suggested command', () => {
  it('works when it is pasted, on a database with a name that the shell would break', async () => {
    const name = "ann's budget.db";
    const lost = await cli.run(['status', '--database', name]);
    expect(lost.code).toBe(4);
    expect(suggested(lost.stderr)).toMatch(
      /^tokenctl --database 'ann'\\''s budget\.db' db migrate$/,
    );
    expect((await cli.shell(suggested(lost.stderr))).code).toBe(0);
    expect(existsSync(join(cli.home, name))).toBe(true);

    const denied = await cli.run([
      'check',
      '--ai-type',
      'x',
      '--tokens',
      '195',
      '--database',
      name,
    ]);
    expect(denied.code).toBe(3);
    expect((await cli.shell(suggested(denied.stdout))).code).toBe(0);
    const mended = await cli.run(['limits', 'lint', '--database', name]);
    expect(mended.code).toBe(0);
    expect(existsSync(cli.database)).toBe(false);
  });

  it('repeats the configuration file that names the database, also in JSON', async () => {
    writeFileSync(join(cli.home, 'own.json'), JSON.stringify({ database: 'own.db' }));
    const { code, stdout } = await cli.run(['--config', 'own.json', 'status', '--json']);
    expect(code).toBe(4);
    const { error } = JSON.parse(stdout) as { error: { fix: string } };
    expect(error.fix).toBe('check the path, or create it: tokenctl --config own.json db migrate');
    expect((await cli.shell('tokenctl --config own.json db migrate')).code).toBe(0);
    const lint = await cli.run(['limits', 'lint', '--json', '--config', 'own.json']);
    expect(JSON.parse(lint.stdout)).toMatchObject({
      findings: [{ fix: 'tokenctl --config own.json limits apply --profile paced' }, {}, {}],
    });
  });

  it.each([
    ['postgresql://ann:secret@127.0.0.1:1/budget', 'postgresql://ann@127.0.0.1:1/budget'],
    [
      'postgresql://127.0.0.1:1/budget?user=ann&password=secret&schema=own',
      "'postgresql://127.0.0.1:1/budget?user=ann&schema=own'",
    ],
  ])('names %s without its password', async (url, shown) => {
    const { code, stderr } = await cli.run(['status', '--database', url]);
    expect(code).toBe(4);
    expect(suggested(stderr)).toBe(`tokenctl --database ${shown} db info`);
    expect(stderr).not.toContain('secret');
  });

  it('has no flags where none were given', async () => {
    const { stdout } = await cli.run(['status']);
    expect(suggested(stdout)).toBe('tokenctl limits apply --profile paced');
  });
});

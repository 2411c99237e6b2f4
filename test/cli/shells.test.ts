/** Completion as a person meets it: keys typed in the real shells. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryCli } from '../support/cli.ts';
import type { Pty } from '../support/pty.ts';
import { shellHome, startShell } from '../support/shells.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/**
 * Types the beginning of a line, Tab and `@`, waits for what the shell makes of it, and clears the line.
 * @param expected what stands before the `@`: a whole word with its space
 */
async function completes(pty: Pty, typed: string, expected: string): Promise<void> {
  pty.type(`${typed}\t@`);
  await pty.waitFor(`> ${expected}@`);
  pty.type(CLEAR_LINE);
  await pty.waitFor(/\n>$/);
}

const CLEAR_LINE = '\u0015';

describe.each(SHELLS)('%s completes', (shell) => {
  it('commands, subcommands, flags and values, also behind =', async () => {
    const pty = await startShell(shell, shellHome());
    await completes(pty, 'tokenctl sta', 'tokenctl status ');
    await completes(pty, 'tokenctl limits roll', 'tokenctl limits rollback ');
    await completes(pty, 'tokenctl status --mon', 'tokenctl status --month ');
    await completes(pty, 'tokenctl log -f --sta', 'tokenctl log -f --state ');
    await completes(pty, 'tokenctl log --state den', 'tokenctl log --state denied ');
    await completes(pty, 'tokenctl log --state=exp', 'tokenctl log --state=expired ');
    await completes(pty, 'tokenctl check --ai-type imp', 'tokenctl check --ai-type imperium ');
    await completes(pty, 'tokenctl limits set hou', 'tokenctl limits set hourly=');
    await completes(pty, 'tokenctl limits unset hou', 'tokenctl limits unset hourly ');
    await completes(pty, 'tokenctl help exit', 'tokenctl help exit-codes ');
  });

  it('what the database knows, of the database that the line names', async () => {
    const cli = temporaryCli();
    const place = shellHome();
    const other = join(place.home, 'other.db');
    await cli.run(['db', 'migrate', '--database', other]);
    await cli.run(['limits', 'set', 'monthly=5', '--ai-type', 'zeppelin', '--database', other]);
    const pty = await startShell(shell, place);
    await completes(
      pty,
      'tokenctl --database other.db status --ai-type zep',
      'tokenctl --database other.db status --ai-type zeppelin ',
    );
    await completes(
      pty,
      'tokenctl status --database=file:other.db --ai-type zep',
      'tokenctl status --database=file:other.db --ai-type zeppelin ',
    );
  });

  it('files where a file is expected, and none elsewhere', async () => {
    const place = shellHome();
    writeFileSync(join(place.home, 'usage log.csv'), '');
    writeFileSync(join(place.home, 'status-quo.json'), '{}');
    const pty = await startShell(shell, place);
    await completes(pty, 'tokenctl import usage', 'tokenctl import usage\\ log.csv ');
    await completes(pty, 'tokenctl --config status', 'tokenctl --config status-quo.json ');
    await completes(pty, 'tokenctl --config=status', 'tokenctl --config=status-quo.json ');
    await completes(
      pty,
      'tokenctl --database file:status',
      'tokenctl --database file:status-quo.json ',
    );
    await completes(pty, 'tokenctl explain usage', 'tokenctl explain usage');
  });

  it('after another command, and by a path with a space that is not on the PATH', async () => {
    const place = shellHome();
    const pty = await startShell(shell, place);
    await completes(pty, 'cd / && tokenctl sta', 'cd / && tokenctl status ');
    renameSync(join(place.home, 'my bin'), join(place.home, 'your bin'));
    await completes(pty, './your\\ bin/tokenctl sta', './your\\ bin/tokenctl status ');
  });

  it('without running what stands on the line', async () => {
    const place = shellHome();
    const pty = await startShell(shell, place);
    const line = 'tokenctl log --model "$(touch ran)" --sta';
    await completes(pty, line, `${line}te `);
    expect(existsSync(join(place.home, 'ran'))).toBe(false);
  });

  it('with a database that does not answer what is known without it, and says nothing', async () => {
    const place = shellHome();
    const url = 'postgresql://x@127.0.0.1:1/x';
    const pty = await startShell(shell, { ...place, env: { ...place.env, DATABASE_URL: url } });
    await completes(pty, 'tokenctl status --ai-type imp', 'tokenctl status --ai-type imperium ');
    expect(pty.text()).not.toMatch(/ledger|error|ECONN/i);
  });
});

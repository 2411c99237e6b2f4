/**
 * Sessions in a pseudo terminal that are the same whenever and wherever they are run: a home of a name
 * that is masked, a clock that stands still, and a database whose rows have the times that they name.
 */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { startInPty, type Pty } from './pty.ts';

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

const DATABASE = '.local/share/tokenctl/tokenctl.db';
const TEMPORARY_HOME = '/tmp/tc-';
/** As long as a temporary home, so that lines break where they would. */
const SHOWN_HOME = '/home/operator';

export class Recorder {
  readonly #home = mkdtempSync(TEMPORARY_HOME);
  readonly #size: Size;
  readonly #sessions: string[] = [];

  /** Its home is removed when the test ends. */
  constructor(size: Size) {
    this.#size = size;
    onTestFinished(() => {
      rmSync(this.#home, { recursive: true, force: true });
    });
  }

  /** Runs one command to its end, unseen. */
  async prepare(clock: string, ...args: string[]): Promise<void> {
    const pty = this.#start(args, clock);
    const code = await pty.exited();
    if (code !== 0) throw new Error(pty.text());
  }

  /** Runs one command to its end and records what the terminal shows. `dialogue` types what a person would. */
  async record(
    clock: string,
    args: string[],
    dialogue: (pty: Pty) => Promise<void> = async () => undefined,
  ): Promise<Pty> {
    const begun = this.#sessions.length;
    const pty = this.#start(args, clock);
    await dialogue(pty);
    const code = await pty.exited();
    const screens = this.#sessions.splice(begun);
    if (screens.length > 0) screens.push('[afterwards]');
    const words = args.map((word) => (/[ {]/.test(word) ? `"${word}"` : word));
    const shown = this.#masked(pty.text());
    this.#sessions.push(
      [`$ tokenctl ${words.join(' ')}`, ...screens, shown, `[exit ${String(code)}]\n`].join('\n'),
    );
    return pty;
  }

  /** Records what the terminal shows now; to be called in a dialogue. */
  snapshot(title: string, pty: Pty): void {
    this.#sessions.push(`[${title}]\n${this.#masked(pty.screen().join('\n'))}\n`);
  }

  /** All that was recorded. */
  text(): string {
    return this.#sessions.join('\n');
  }

  /** Writes log rows as a backend would. */
  write(rows: readonly LogRow[]): void {
    const database = new Sqlite(join(this.#home, DATABASE));
    const insert = database.prepare(
      `INSERT INTO token_usage_logs (ai_type, month_year, created_at, state, success, tokens_in,
         tokens_out, total_tokens, reserved_tokens, expires_at, denied_count)
       VALUES (@aiType, @month, @at, @state, @success, @input, @output, @total, @reserved, @expires, @denied)`,
    );
    for (const row of rows) {
      const { input = 0, output = 0, held = 0, denied = 0 } = row;
      insert.run({
        ...{ aiType: row.aiType, month: row.at.slice(0, 7), at: row.at },
        state: held > 0 ? 'reserved' : denied > 0 ? 'denied' : 'settled',
        success: row.failed === true || denied > 0 ? 0 : 1,
        ...{ input, output, total: input + output, reserved: held, denied: Math.max(1, denied) },
        expires: held > 0 ? '2099-01-01 00:00:00' : null,
      });
    }
    database.close();
  }

  /** Says that someone takes care of every alert, and has begun the silence. */
  careAs(by: string): void {
    const database = new Sqlite(join(this.#home, DATABASE));
    database.prepare('UPDATE alerts SET acked_at_ms = raised_at_ms, acked_by = ?').run(by);
    database.prepare('UPDATE alert_silences SET actor = ?').run(by);
    database.close();
  }

  /** Takes the database away. */
  lose(): void {
    renameSync(join(this.#home, DATABASE), join(this.#home, `${DATABASE}.away`));
  }

  #start(args: readonly string[], clock: string): Pty {
    return startInPty(args, {
      ...this.#size,
      home: this.#home,
      clock,
      env: { TZ: 'Europe/Berlin', USER: 'ann', LOGNAME: 'ann', TEST_CLOCK_JUMP_MS: '61000' },
    });
  }

  /** A name that is broken at the edge of the screen is masked in its parts. */
  #masked(text: string): string {
    const edge = `\n?`;
    const broken = new RegExp(Array.from(this.#home).join(edge), 'g');
    return text.replace(broken, (found) => {
      let at = 0;
      return Array.from(found, (char) => (char === '\n' ? char : SHOWN_HOME[at++])).join('');
    });
  }
}

/** `at` is 'YYYY-MM-DD HH:MM:SS'. With `held` an open reservation, with `denied` so many denials. */
export interface LogRow {
  readonly at: string;
  readonly aiType: string;
  readonly input?: number;
  readonly output?: number;
  readonly failed?: boolean;
  readonly held?: number;
  readonly denied?: number;
}

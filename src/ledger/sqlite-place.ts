import type Database from 'better-sqlite3';
import { realpathSync } from 'node:fs';
import { TokenctlError } from '../budget/errors.ts';
import { fileIdentity } from '../platform/files.ts';

/**
 * The place of an SQLite file. Who has opened a file goes on with it after it was moved, deleted or
 * replaced, and would spend against a budget that nobody else sees. So whether what was opened still
 * lies there is asked before each transaction, and once more before a change is committed.
 */

/** What was opened is not at its place any more, so nothing is read or changed. */
export class Displaced extends Error {}

/** Finds the statement prepared, or prepares it. */
type Prepare = (sql: string) => Database.Statement;

export interface Lying {
  readonly database: Database.Database;
  readonly statement: Prepare;
}

interface Opened extends Lying {
  /** The names that SQLite has given to the database, its log and its index: beside the file that links lead to. */
  readonly names: readonly [database: string, log: string, index: string];
  /** What lay there then. */
  readonly identities: readonly (string | null)[];
}

/** The log and the index among the names. */
const BESIDE = [1, 2] as const;

/** How often a file that is moved or replaced just then is opened, at most. */
const TRIES = 3;

export class SqlitePlace {
  readonly #path: string;
  readonly #open: () => Database.Database;
  #opened: Opened;

  /** @param open opens what lies at the path, and refuses what is no ledger of this version */
  constructor(path: string, open: () => Database.Database) {
    this.#path = path;
    this.#open = open;
    this.#opened = this.#openWhatLies();
  }

  /**
   * The database that lies there, opened anew where it is another one than before.
   * @throws Displaced where none does; what opening it throws
   */
  lying(): Lying {
    const lying = identityOf(this.#path);
    if (lying === null) throw gone();
    if (lying !== this.#opened.identities[0]) this.#reopen();
    this.#requireSameLog();
    return this.#opened;
  }

  /** @throws Displaced unless what was opened still lies there */
  requireSame(): void {
    if (identityOf(this.#path) !== this.#opened.identities[0]) throw replaced();
    this.#requireSameLog();
  }

  close(): void {
    this.#opened.database.close();
  }

  /** Who comes makes a new log or index, and does not see what is written to those that were opened. */
  #requireSameLog(): void {
    const { names, identities } = this.#opened;
    for (const at of BESIDE) {
      if (identityOf(names[at]) !== identities[at]) throw cutOff(names[at]);
    }
  }

  #reopen(): void {
    // SQLite finds the log by its name: this one would be read into a database that it does not belong to.
    const names = namesAt(this.#path);
    const old = this.#opened;
    for (const at of BESIDE) {
      const lying = identityOf(names[at]);
      if (lying !== null && lying === old.identities[at]) throw leftOver(names);
    }
    this.#opened = this.#openWhatHasCome();
    // Closing looks by itself whether the file still has its name (SQLITE_FCNTL_HAS_MOVED). As it has not,
    // nothing is written back, and the log and the index that have the names now are left to who uses them.
    old.database.close();
  }

  #openWhatHasCome(): Opened {
    try {
      return this.#openWhatLies();
    } catch (error) {
      // It may not be whole yet, or locked by who brings it.
      const comes = error instanceof TokenctlError && error.code === 'database_unusable';
      throw comes ? new Displaced(error.message, { cause: error }) : error;
    }
  }

  #openWhatLies(): Opened {
    for (let tries = 1; ; tries += 1) {
      const before = identityOf(this.#path);
      const database = this.#open();
      try {
        const names = namesAt(this.#path);
        const identities = [identityOf(this.#path), identityOf(names[1]), identityOf(names[2])];
        if (identities[0] === before) {
          return { database, statement: preparing(database), names, identities };
        }
        if (tries === TRIES) throw replaced();
        database.close();
      } catch (error) {
        database.close();
        throw error;
      }
    }
  }
}

function preparing(database: Database.Database): Prepare {
  const statements = new Map<string, Database.Statement>();
  return (sql) => {
    let prepared = statements.get(sql);
    if (prepared === undefined) {
      prepared = database.prepare(sql);
      statements.set(sql, prepared);
    }
    return prepared;
  };
}

/** @throws Displaced where there is no file, or it can't be looked at */
function namesAt(path: string): Opened['names'] {
  const name = looking(() => realpathSync(path));
  return [name, `${name}-wal`, `${name}-shm`];
}

/** @throws Displaced where it can't be looked at */
function identityOf(path: string): string | null {
  return looking(() => fileIdentity(path));
}

function looking<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Displaced(`the file can't be looked at: ${why}`, { cause: error });
  }
}

// Whoever tells it says first which ledger it is.
function gone(): Displaced {
  return new Displaced('the file is gone: it was moved or deleted since it was opened');
}

function replaced(): Displaced {
  return new Displaced('the file was moved or replaced since it was opened');
}

function leftOver([, log, index]: Opened['names']): Displaced {
  return new Displaced(
    `the file was replaced since it was opened, and beside it are still the -wal and -shm of the one before, which would damage it: remove ${log} and ${index}`,
  );
}

function cutOff(name: string): Displaced {
  return new Displaced(
    `${name} was moved, removed or replaced while it was in use: put it back, or stop every process that has the database open`,
  );
}

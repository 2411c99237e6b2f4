import type { DatabaseTarget } from '../../config/database.ts';
import { TokenctlError } from '../../budget/errors.ts';
import type {
  HoldFacts,
  LogFacts,
  PostgresFacts,
  SessionFacts,
  SqliteFacts,
} from '../../ledger/health/facts.ts';
import { requireCurrent } from '../../ledger/schema/state.ts';
import { count, counted, duration, sizeText } from '../views/text.ts';
import { judged, note, ok, problem, type Check } from './check.ts';

/** What the facts of a database mean. Pure; times are passed in. */

const MIB = 1_024 * 1_024;
/** Below the first a ledger may stop at any time; below the second it is time to know. */
const FREE_LEAST = 100 * MIB;
const FREE_LITTLE = 1_024 * MIB;
/** SQLite folds the -wal into the file at 4 MiB; it grows beyond while a reader stays in an old state. */
const WAL_LARGE = 64 * MIB;
const CLOCK_MOST_MS = 2_000;
/** A hold past its time is charged by the next reserve; after so long nothing has reserved. */
const DUE_LONG_MS = 600_000;

/** That it is there, reached and migrated, and what named it. */
export function schemaCheck(facts: SqliteFacts | PostgresFacts, target: DatabaseTarget): Check {
  const [check] = judged('database', facts.schema, (status) => {
    try {
      requireCurrent(status, target.location);
    } catch (error) {
      if (!(error instanceof TokenctlError)) throw error;
      return [problem('database', `${error.message} (named by ${target.source})`, error.fix)];
    }
    return [ok('database', `${target.location}, named by ${target.source}; up to date`)];
  });
  return check ?? problem('database', 'could not be looked at');
}

export function sqliteChecks(facts: SqliteFacts): Check[] {
  const { exists, unwritable, writeLock, integrity } = facts;
  if (!exists) return [];
  return [
    unwritable.length === 0
      ? ok('write', 'this user may write the file and its directory')
      : problem(
          'write',
          `this user may not write ${unwritable.join(', ')}`,
          'give this user write access to the file and its directory',
        ),
    ...(writeLock === null
      ? []
      : judged('lock', writeLock, (lock) => [
          lock === 'free'
            ? ok('lock', 'the write lock can be had')
            : problem(
                'lock',
                'another process has had the write lock for a second; requests are denied while it lasts',
                'find it (fuser FILE), and end its transaction',
              ),
        ])),
    ...(integrity === null
      ? []
      : judged('integrity', integrity, (found) => [
          found === 'ok'
            ? ok('integrity', 'the file is sound')
            : problem('integrity', `the file is damaged: ${found}`, 'restore a backup'),
        ])),
    ...walChecks(facts),
    diskCheck(facts.freeBytes),
  ];
}

function walChecks({ walMode, walBytes }: SqliteFacts): Check[] {
  if (walMode === null) return [];
  if (!walMode) {
    return [note('wal', 'not in WAL mode; the next command that opens the ledger switches it')];
  }
  const size = sizeText(walBytes);
  return [
    walBytes < WAL_LARGE
      ? ok('wal', `WAL mode, the -wal has ${size}`)
      : note(
          'wal',
          `the -wal has grown to ${size}: a process reads in one transaction for long`,
          'end that process (fuser FILE); the -wal is used again from its start then',
        ),
  ];
}

function diskCheck(freeBytes: number | null): Check {
  if (freeBytes === null) return note('disk', 'the system does not say how much space is free');
  const message = `${sizeText(freeBytes)} free`;
  const fix = 'free disk space, or delete old logs: tokenctl db prune --before YYYY-MM --dry-run';
  if (freeBytes < FREE_LEAST) return problem('disk', message, fix);
  return freeBytes < FREE_LITTLE ? note('disk', message, fix) : ok('disk', message);
}

export function postgresChecks({ session }: PostgresFacts): Check[] {
  if (session === null) return [];
  return [
    ...writeChecks(session),
    ...judged('clock', session.clockAheadMs, (ahead) => [clockCheck(ahead)]),
    ...judged('durability', session.settings, durabilityChecks),
  ];
}

function writeChecks({ role, standby, settings, missingPrivileges }: SessionFacts): Check[] {
  const readOnly = 'value' in settings && settings.value['default_transaction_read_only'] === 'on';
  return judged('write', standby, (isStandby) => {
    if (isStandby) {
      return [problem('write', 'the server is a standby', 'name the primary server in the URL')];
    }
    if (readOnly) {
      return [
        problem(
          'write',
          'sessions are read-only by default_transaction_read_only',
          'ALTER DATABASE … SET default_transaction_read_only = off (or ALTER ROLE, or the server)',
        ),
      ];
    }
    const name = 'value' in role ? role.value : 'this role';
    return judged('write', missingPrivileges, (missing) => [
      missing.length === 0
        ? ok('write', `${name} may reserve and settle`)
        : problem(
            'write',
            `${name} may not reserve: it lacks ${missing.join(', ')}`,
            'grant them, if it shall (docs/database.md, Privileges)',
          ),
    ]);
  });
}

function clockCheck(aheadMs: number): Check {
  const apart = Math.round(Math.abs(aheadMs));
  if (apart <= CLOCK_MOST_MS) {
    return ok('clock', `this machine's and the server's clock are ${count(apart)} ms apart`);
  }
  const which = aheadMs > 0 ? 'behind' : 'ahead of';
  return problem(
    'clock',
    `this machine's clock is ${duration(apart)} ${which} the server's, by which the ledger decides`,
    'set the wrong one by NTP: timedatectl set-ntp true',
  );
}

function durabilityChecks(settings: Readonly<Record<string, string>>): Check[] {
  const off = ['fsync', 'full_page_writes'].filter((name) => settings[name] === 'off');
  if (off.length > 0) {
    return [
      problem(
        'durability',
        `${off.join(' and ')} off: a loss of power can lose or damage the ledger`,
        `ALTER SYSTEM SET ${off[0] ?? ''} = on; SELECT pg_reload_conf();`,
      ),
    ];
  }
  if (settings['synchronous_commit'] === 'off') {
    return [
      note(
        'durability',
        'synchronous_commit is off by default: tokenctl sets it on for itself, but the newest logs of other writers can be lost',
        'ALTER DATABASE … SET synchronous_commit = on',
      ),
    ];
  }
  return [ok('durability', 'commits are flushed to the disk')];
}

/** What the migrations made and is gone. */
export function missingCheck(missing: readonly string[], kind: DatabaseTarget['kind']): Check {
  if (missing.length === 0) {
    const also = kind === 'postgresql' ? ', functions' : '';
    return ok('tables', `tables, triggers${also}, views and indexes are all there`);
  }
  const counting = missing.some((object) => /^(trigger|function|table)/.test(object));
  return problem(
    'tables',
    `missing${kind === 'postgresql' ? ' or disabled' : ''}: ${missing.join(', ')}${counting ? '; rows may go uncounted' : ''}`,
    `run its CREATE statement of prisma/${kind}/migrations, then: tokenctl db verify`,
  );
}

export function logChecks(logs: LogFacts, nowMs: number): Check[] {
  const { rows, monthDisagrees, future, unreadable, newestAtMs } = logs;
  const flagged = [
    ...(future === 0 ? [] : [`${count(future)} of a time in the future`]),
    ...(unreadable === 0 ? [] : [`${count(unreadable)} of an unreadable time`]),
  ];
  return [
    newestAtMs === null
      ? ok('logs', 'no request was logged yet')
      : ok('logs', `${counted(rows, 'row')}, the newest ${duration(nowMs - newestAtMs)} old`),
    monthDisagrees === 0
      ? ok('months', 'month_year and created_at agree in every row')
      : note(
          'months',
          `${counted(monthDisagrees, 'row')} ${monthDisagrees === 1 ? 'has another month_year than its created_at, by which it counts' : 'have another month_year than their created_at, by which they count'}`,
          'mend the writer: leave month_year out, or write the UTC month of created_at',
        ),
    flagged.length === 0
      ? ok('times', 'every row counts at the time that it says')
      : note(
          'times',
          `${flagged.join(' and ')}: counted when they were written (time_flag)`,
          'mend the writer: it writes no UTC, or its clock is wrong',
        ),
  ];
}

export function holdChecks(holds: HoldFacts, nowMs: number): Check[] {
  const { open, tokens, due, oldestDueAtMs } = holds;
  if (open === 0) return [ok('holds', 'no open reservation')];
  const held = `${counted(open, 'open reservation')} ${open === 1 ? 'holds' : 'hold'} ${count(tokens)} tokens`;
  const lateMs = oldestDueAtMs === null ? 0 : nowMs - oldestDueAtMs;
  if (lateMs < DUE_LONG_MS) return [ok('holds', held)];
  return [
    note(
      'holds',
      `${held}; ${count(due)} past their time, the oldest by ${duration(lateMs)}: counted as used, charged by the next reserve`,
    ),
  ];
}

/** Lets a worker kill itself at a named point: as hard as from outside, but exactly there. */
import Sqlite from 'better-sqlite3';
import pg from 'pg';

let death = null;

/** From now on: dies at the point's `passage`-th passage. */
export function dieAt({ at, passage }) {
  death = { at, left: passage };
}

/** The work has come to a point. */
export function pass(point) {
  if (death?.at !== point) return;
  death.left -= 1;
  if (death.left === 0) process.kill(process.pid, 'SIGKILL');
}

const BEFORE = 'before COMMIT';
const AFTER = 'after COMMIT, before the answer';

// The drivers are watched, not the product: it can't tell that these points exist.
const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (...args) {
  if (args[0] !== 'COMMIT') return query.apply(this, args);
  pass(BEFORE);
  return query.apply(this, args).then((result) => {
    pass(AFTER);
    return result;
  });
};

const prepare = Sqlite.prototype.prepare;
Sqlite.prototype.prepare = function (source) {
  const statement = prepare.call(this, source);
  if (source === 'COMMIT') {
    const run = statement.run;
    statement.run = (...args) => {
      pass(BEFORE);
      const result = run.apply(statement, args);
      pass(AFTER);
      return result;
    };
  }
  return statement;
};

import Database from 'better-sqlite3';
import pg from 'pg';
import {
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
  RateLimiterSQLite,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible';
import { createPrismaStore, openPrismaLimiter } from '../peer-prisma.ts';
import { CONNECTIONS, TOKENS, type Budget, type Contender } from './contender.ts';

/** rate-limiter-flexible: a token is a point, the budget is one key, an admission is one `consume`. */

const KEY = 'budget';
const DURATION = 3_600;

export const rateLimiterMemory: Contender = {
  name: 'rate-limiter-flexible, memory',
  store: 'memory',
  create: async () => undefined,
  open: async (_place, points) =>
    budget(new RateLimiterMemory({ points, duration: DURATION }), async () => undefined),
};

/** By default its SQLite file would run as its owner opened it: here as durable as the ledger's. */
export const rateLimiterSqlite: Contender = {
  name: 'rate-limiter-flexible, SQLite',
  store: 'sqlite',
  create: (place, points) => createByOpening(rateLimiterSqlite, place, points),
  async open(place, points) {
    const database = new Database(place);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    const options = {
      storeClient: database,
      storeType: 'better-sqlite3',
      tableName: 'budgets',
      points,
      duration: DURATION,
      clearExpiredByTimeout: false,
    };
    const limiter = await ready((done) => new RateLimiterSQLite(options, done));
    return budget(limiter, async () => {
      database.close();
    });
  },
};

export const rateLimiterPostgres: Contender = {
  name: 'rate-limiter-flexible, PostgreSQL',
  store: 'postgresql',
  create: (place, points) => createByOpening(rateLimiterPostgres, place, points),
  async open(place, points) {
    const pool = new pg.Pool({ connectionString: place, max: CONNECTIONS });
    const options = {
      storeClient: pool,
      tableName: 'budgets',
      points,
      duration: DURATION,
      clearExpiredByTimeout: false,
    };
    const limiter = await ready((done) => new RateLimiterPostgres(options, done));
    return budget(limiter, () => pool.end());
  },
};

export const rateLimiterWithPrisma: Contender = {
  name: 'rate-limiter-flexible, Prisma on PostgreSQL',
  store: 'postgresql',
  create: createPrismaStore,
  async open(place, points) {
    const { limiter, close } = await openPrismaLimiter(place, points, CONNECTIONS);
    return budget(limiter, close);
  },
};

function budget(limiter: RateLimiterAbstract, close: () => Promise<void>): Budget {
  const admitted = {};
  return {
    async admit() {
      try {
        await limiter.consume(KEY, TOKENS);
        return admitted;
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return null;
        throw refusal;
      }
    },
    counted: async () => (await limiter.get(KEY))?.consumedPoints ?? 0,
    close,
  };
}

/** These limiters make their table themselves, and call back when it is there. */
function ready<T>(make: (done: (error?: Error | null) => void) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const limiter = make((error) => {
      // The limiter may call back before its constructor has returned.
      if (error) reject(error);
      else queueMicrotask(() => resolve(limiter));
    });
  });
}

async function createByOpening(contender: Contender, place: string, points: number): Promise<void> {
  const opened = await contender.open(place, points);
  await opened.close();
}

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { RateLimiterPrisma } from 'rate-limiter-flexible';

const FOLDER = join(import.meta.dirname, '../node_modules/.cache/tokenctl-bench');

const SCHEMA = `
datasource db {
  provider = "postgresql"
}
generator client {
  provider = "prisma-client"
  output = "./client"
  importFileExtension = "ts"
}
model RateLimiterFlexible {
  key    String    @id
  points Int
  expire DateTime?
}
`;

export interface Peer {
  consume(callers: number, forMs: number): Promise<{ calls: number; ms: number }>;
  close(): Promise<void>;
}

/** rate-limiter-flexible with its Prisma store on PostgreSQL: one shared budget, one window. */
export async function rateLimiterPrisma(url: string): Promise<Peer> {
  await createPrismaStore(url);
  const { limiter, close } = await openPrismaLimiter(url, 2_000_000_000);
  return {
    async consume(callers, forMs) {
      const start = performance.now();
      let calls = 0;
      await Promise.all(
        Array.from({ length: callers }, async () => {
          while (performance.now() - start < forMs) {
            await limiter.consume('budget', 100);
            calls += 1;
          }
        }),
      );
      return { calls, ms: performance.now() - start };
    },
    close,
  };
}

export interface PrismaLimiter {
  readonly limiter: RateLimiterPrisma;
  readonly close: () => Promise<void>;
}

/** A limiter of so many points an hour, on a store that `createPrismaStore` made. */
export async function openPrismaLimiter(
  url: string,
  points: number,
  connections = 10,
): Promise<PrismaLimiter> {
  const { PrismaClient } = (await import(pathToFileURL(join(FOLDER, 'client/client.ts')).href)) as {
    PrismaClient: new (options: { adapter: PrismaPg }) => Client;
  };
  const adapter = new PrismaPg({ connectionString: url, max: connections });
  const client = new PrismaClient({ adapter });
  const limiter = new RateLimiterPrisma({
    storeClient: client,
    points,
    duration: 3_600,
    clearExpiredByTimeout: false,
  });
  return { limiter, close: () => client.$disconnect() };
}

interface Client {
  $disconnect(): Promise<void>;
}

/** Generates the store's client and makes its table. */
export async function createPrismaStore(url: string): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'schema.prisma'), SCHEMA);
  execFileSync(
    process.execPath,
    [
      join(import.meta.dirname, '../node_modules/prisma/build/index.js'),
      'generate',
      '--schema',
      join(FOLDER, 'schema.prisma'),
    ],
    // Generating needs no engine; any executable keeps it from being downloaded.
    {
      env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
      stdio: 'pipe',
      cwd: FOLDER,
    },
  );
  const setup = new pg.Client({ connectionString: url });
  await setup.connect();
  await setup.query(
    'CREATE TABLE "RateLimiterFlexible" (key text PRIMARY KEY, points integer NOT NULL, expire timestamp(3))',
  );
  await setup.end();
}

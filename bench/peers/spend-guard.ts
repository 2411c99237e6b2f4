import { setImmediate } from 'node:timers/promises';
import {
  BudgetExceededError,
  LLMGuard,
  MemoryStorage,
  type ScopeUsage,
  type StorageAdapter,
} from 'llm-spend-guard';
import pg from 'pg';
import {
  CONNECTIONS,
  INPUT_TOKENS,
  OUTPUT_TOKENS,
  type Budget,
  type Contender,
} from './contender.ts';

/**
 * llm-spend-guard: one `chat` checks the budget, calls the provider and records what it used. The
 * provider answers in the next turn of the event loop, the soonest that an answer can come.
 */

const PROVIDER = {
  messages: {
    async create() {
      await setImmediate();
      return { usage: { input_tokens: INPUT_TOKENS, output_tokens: OUTPUT_TOKENS } };
    },
  },
};

/** 7 tokens for the message and one for each 3.5 characters, as it estimates for Anthropic. */
const REQUEST = {
  model: 'claude-sonnet-4-20250514',
  messages: [{ role: 'user', content: 'x'.repeat(Math.floor((INPUT_TOKENS - 7) * 3.5)) }],
  max_tokens: OUTPUT_TOKENS,
};

export const spendGuardMemory: Contender = {
  name: 'llm-spend-guard, memory',
  store: 'memory',
  create: async () => undefined,
  open: async (_place, limit) => budget(new MemoryStorage(), limit, async () => undefined),
};

/** Its Redis storage needs a Redis; the adapter that its README asks for is this one. */
export const spendGuardPostgres: Contender = {
  name: 'llm-spend-guard, own adapter on PostgreSQL',
  store: 'postgresql',
  async create(place) {
    const client = new pg.Client({ connectionString: place });
    await client.connect();
    await client.query(
      'CREATE TABLE budgets (key text, date text, tokens bigint NOT NULL, PRIMARY KEY (key, date))',
    );
    await client.end();
  },
  async open(place, limit) {
    const pool = new pg.Pool({ connectionString: place, max: CONNECTIONS });
    return budget(new PostgresStorage(pool), limit, () => pool.end());
  },
};

function budget(storage: StorageAdapter, limit: number, close: () => Promise<void>): Budget {
  const guard = new LLMGuard({ dailyBudgetTokens: limit, storage });
  guard.wrapAnthropic(PROVIDER);
  const admitted = {};
  return {
    async admit() {
      try {
        await guard.anthropic.chat(REQUEST);
        return admitted;
      } catch (error) {
        if (error instanceof BudgetExceededError) return null;
        throw error;
      }
    },
    counted: async () => (await guard.getStats())[0]?.used ?? 0,
    close,
  };
}

/** "Atomically increment and return updated value", its README says of an adapter. */
class PostgresStorage implements StorageAdapter {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async get(key: string): Promise<ScopeUsage | null> {
    const date = today();
    const { rows } = await this.#pool.query<{ tokens: string }>({
      name: 'get',
      text: 'SELECT tokens FROM budgets WHERE key = $1 AND date = $2',
      values: [key, date],
    });
    return rows[0] === undefined ? null : { totalTokens: Number(rows[0].tokens), date };
  }

  set(key: string, { totalTokens, date }: ScopeUsage): Promise<void> {
    return this.#write('excluded.tokens', key, date, totalTokens).then(() => undefined);
  }

  increment(key: string, tokens: number): Promise<ScopeUsage> {
    return this.#write('budgets.tokens + excluded.tokens', key, today(), tokens);
  }

  async reset(key: string): Promise<void> {
    await this.#pool.query('DELETE FROM budgets WHERE key = $1', [key]);
  }

  async #write(value: string, key: string, date: string, tokens: number): Promise<ScopeUsage> {
    const { rows } = await this.#pool.query<{ tokens: string }>({
      name: value,
      text: `INSERT INTO budgets (key, date, tokens) VALUES ($1, $2, $3)
        ON CONFLICT (key, date) DO UPDATE SET tokens = ${value} RETURNING tokens`,
      values: [key, date, tokens],
    });
    return { totalTokens: Number(rows[0]!.tokens), date };
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

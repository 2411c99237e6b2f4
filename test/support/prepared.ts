/** A database in use, made once and copied for each test that wants one of its own. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { testAlert } from '../../src/alerts/test-alert.ts';
import { migrateDatabase, openApp } from '../../src/app.ts';
import { applyProfile } from '../../src/budget/settings.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { Guard } from '../../src/guard/guard.ts';
import { endDelivery, insertAlert, postDelivery, takeDeliveries } from '../../src/ledger/alerts.ts';
import type { Operations } from '../../src/ledger/port.ts';
import type { Step } from '../../src/ledger/steps.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { foreignLog } from './budget.ts';
import type { DatabaseName } from './databases.ts';
import { createPostgresDatabase } from './postgres.ts';

export interface Prepared {
  /** The URL of a copy that nobody else has; of SQLite at this path. */
  copy(path: string): Promise<string>;
}

/** The ids of two of its requests. */
export const PLAIN_REQUEST = 'req-plain';
export const DENIED_REQUEST = 'req-denied';
/** The name of its access token. */
export const TOKEN = 'backend';
/** The end of the id of its alert. */
export const ALERT = '44e049e8071a';

/**
 * Makes it in a directory: limits that fit together, an AI type with limits of its own, requests of
 * every outcome, rows of January 2025, a reset, an access token, and an alert that could not be told.
 */
export async function prepareDatabase(kind: DatabaseName, directory: string): Promise<Prepared> {
  const path = join(directory, 'prepared.db');
  const url = kind === 'sqlite' ? path : (await createPostgresDatabase()).url;
  const target = parseDatabase(url, 'test', 'flag', '/');
  const paced = applyProfile({ global: {}, aiTypes: { sandbox: { monthly: 50_000 } } }, 'paced');
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings: paced });
  await foreignLog(target, '2025-01-15 10:00:00', 300);
  await foreignLog(target, '2025-01-16 10:00:00', 1_200, 'sandbox');
  const app = await openApp({ target, runtime });
  try {
    const config = { estimator: 'words', cacheReadPercent: 100, requestType: 'sdk' } as const;
    const guard = new Guard(app.ledger, runtime, config);
    const ask = (aiType: string, input: number, requestId?: string) =>
      guard.reserve({
        ...{ aiType, estimate: { input, output: 0 } },
        ...(requestId === undefined ? {} : { requestId }),
      });
    for (const [aiType, requestId] of [
      ['sandbox', undefined],
      ['imperium', PLAIN_REQUEST],
      ['guardian', undefined],
    ] as const) {
      const { reservation } = await ask(aiType, 200, requestId);
      await guard.settle(reservation!.id, { inputTokens: 150, outputTokens: 25 });
      // All but the first are made after the reset.
      if (aiType === 'sandbox') {
        const what = { aiTypes: ['sandbox'], window: 'all', actor: null, dryRun: false } as const;
        await app.reset({ ...what, reason: 'test traffic' });
      }
    }
    await ask('imperium', 120);
    await ask('imperium', 5_000, DENIED_REQUEST);
    const token = { name: TOKEN, scopes: ['reserve'], aiTypes: ['imperium'] } as const;
    await app.createToken({ ...token, expiresAtMs: null, actor: null });
    await app.ledger.write(addAlert);
  } finally {
    await app.close();
  }
  return {
    async copy(to) {
      if (kind === 'postgresql') return (await createPostgresDatabase(undefined, url)).url;
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(path, to);
      return to;
    },
  };
}

export function* addAlert(ops: Operations): Step<void> {
  const alert = testAlert(ops.nowMs, `01a20e10-ded8-750e-8598-${ALERT}`);
  yield* insertAlert(ops, { ...alert, kind: 'level' });
  yield* postDelivery(ops, alert, 'raised', 'nobody');
  const [taken] = yield* takeDeliveries(ops, 'nobody', 1, { after: () => 0, longestMs: 0 });
  yield* endDelivery(ops, taken!, { error: 'it answered 404', last: true, notBeforeMs: null });
}

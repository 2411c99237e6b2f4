import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { fileChannel } from '../../src/alerts/channels/file.ts';
import { webhookChannel } from '../../src/alerts/channels/webhook.ts';
import { Postman } from '../../src/alerts/postman.ts';
import { foreignLog, openBudget } from '../support/budget.ts';
import { httpReceiver } from '../support/receivers.ts';
import { heapAfterCollection } from '../support/refreshes.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

const MIB = 2 ** 20;
const MINUTES = 1_440;
/** In minutes: up through all levels of the month, then a reset. */
const WAVE = 60;

it(
  'a day of a monitor, in simulated time: what it raises, tells and resolves leaves the heap as it was',
  { timeout: 60_000 },
  async () => {
    setFlagsFromString('--expose-gc');
    globalThis.gc = runInNewContext('gc') as NonNullable<typeof globalThis.gc>;
    const { app, clock, target } = await openBudget('sqlite', { start: '2025-06-15T00:00:00Z' });
    const receiver = await httpReceiver();
    let told = 0;
    receiver.answer = () => {
      told += 1;
      receiver.posted.length = 0;
      receiver.taken.length = 0;
      return { status: 200 };
    };
    const hook = webhookChannel(
      {
        ...{ type: 'webhook', name: 'hook', place: () => '', minLevel: 'warning', kinds: null },
        ...{ quietHours: null, url: new URL(receiver.url), allowPrivate: ['127.0.0.1'] },
        ...{ secret: null, format: 'standard', template: null },
      },
      clock,
    );
    const file = fileChannel(join(temporaryDirectory(), 'alerts.json'));
    const postman = new Postman([hook], clock);
    let raised = 0;
    const checks = async (count: number): Promise<void> => {
      for (let minute = 0; minute < count; minute += 1) {
        clock.advance(60_000);
        const at = new Date(clock.nowMs()).toISOString().slice(0, 19).replace('T', ' ');
        if (minute % WAVE === WAVE - 1) {
          await app.reset({
            ...{ aiTypes: [], window: 'all', reason: 'test', actor: null, dryRun: false },
          });
        } else if (minute % 15 === 0) await foreignLog(target, at, 245_000);
        const { open } = await app.watch([file], postman);
        raised += open.length;
        await postman.idle();
      }
    };
    await checks(8 * WAVE);
    const before = heapAfterCollection();
    await checks(MINUTES);
    expect(raised).toBeGreaterThan(MINUTES / 4);
    expect(told).toBeGreaterThan(MINUTES / WAVE);
    expect(heapAfterCollection() - before).toBeLessThan(MIB);
  },
);

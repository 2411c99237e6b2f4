import { describe, expect, it } from 'vitest';
import { Postman } from '../../src/alerts/postman.ts';
import { channelsTo, check, receivers, use, type Receivers } from '../support/alert-channels.ts';
import { openBudget } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

const MINUTE = 60_000;

/** How to switch a receiver off and on, and how many messages it took. */
const TYPES = {
  webhook: {
    off: ({ web }: Receivers) => (web.answer = () => ({ status: 503 })),
    on: ({ web }: Receivers) => (web.answer = () => ({ status: 200 })),
  },
  slack: {
    off: ({ slack }: Receivers) => (slack.answer = () => ({ status: 500, body: 'rollup_error' })),
    on: ({ slack }: Receivers) => (slack.answer = () => ({ status: 200 })),
  },
  mail: {
    off: ({ smtp }: Receivers) => (smtp.refuse = { code: 451, text: 'try later' }),
    on: ({ smtp }: Receivers) => (smtp.refuse = null),
  },
} as const;

const countsOf = ({ web, manager, slack, smtp }: Receivers) => ({
  ...{ webhook: web.taken.length, manager: manager.taken.length },
  ...{ slack: slack.taken.length, mail: smtp.mails.length },
});

describe.each(DATABASES)('a channel that is down for an hour, on %s', (kind) => {
  it.each(
    (['webhook', 'slack', 'mail'] as const).flatMap((type) =>
      [false, true].map((restarts) => [type, restarts] as const),
    ),
  )('%s, with a monitor that is started again: %s', async (type, restarts) => {
    const budget = await openBudget(kind, { global: { enforcedMonthly: 1_000 } });
    const { clock } = budget;
    const all = await receivers();
    const monitor = async () => {
      const { app } = await budget.another();
      return { app, postman: new Postman(channelsTo(all, clock), clock) };
    };
    let now = await monitor();
    const minutes = async (count: number): Promise<void> => {
      for (let minute = 0; minute < count; minute += 1) {
        clock.advance(MINUTE);
        if (restarts && minute % 7 === 3) {
          await now.app.close();
          now = await monitor();
        }
        await check(now.app, now.postman);
      }
    };
    TYPES[type].off(all);
    await use(budget, 850);
    await check(now.app, now.postman);
    const inTime = { webhook: 1, manager: 1, slack: 1, mail: 1, [type]: 0 };
    expect(countsOf(all)).toEqual(inTime);
    await minutes(60);
    expect(countsOf(all)).toEqual(inTime);
    TYPES[type].on(all);
    // Its pause is an hour and a quarter at most.
    await minutes(76);
    expect(countsOf(all)).toEqual({ webhook: 1, manager: 1, slack: 1, mail: 1 });
    await now.app.close();
  });
});

import { benchTarget, openBudget, openGuard } from '../databases.ts';
import { INPUT_TOKENS, OUTPUT_TOKENS, type Contender } from './contender.ts';

/** tokenctl on one of its databases: a reserve alone, or with its settle. */
export function tokenctl(store: 'sqlite' | 'postgresql', settles: boolean): Contender {
  const database = store === 'sqlite' ? 'SQLite' : 'PostgreSQL';
  return {
    name: `tokenctl, ${database}: ${settles ? 'reserve + settle' : 'reserve'}`,
    store,
    async create(place, limit) {
      const { app } = await openBudget(benchTarget(place), limit);
      await app.close();
    },
    async open(place) {
      const { app, guard } = await openGuard(benchTarget(place));
      return {
        async admit() {
          const { reservation, reasons } = await guard.reserve({
            aiType: 'bench',
            estimate: { input: INPUT_TOKENS, output: OUTPUT_TOKENS },
          });
          const lost = reasons.find(({ code }) => code.startsWith('ledger_'));
          if (lost !== undefined) throw new Error(lost.message);
          if (reservation === null) return null;
          if (!settles) return {};
          const usage = { inputTokens: INPUT_TOKENS, outputTokens: OUTPUT_TOKENS };
          return { settle: () => guard.settle(reservation.id, usage) };
        },
        async counted() {
          const { windows } = await app.status();
          const month = windows.find(
            ({ scope, window }) => scope === 'global' && window === 'month',
          );
          if (month === undefined) throw new Error('no month in the status');
          return month.used + month.held;
        },
        close: () => app.close(),
      };
    },
  };
}

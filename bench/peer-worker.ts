import { once } from 'node:events';
import { CONTENDERS } from './peers/contenders.ts';
import { useUp } from './peers/exhaustion.ts';

/** One of the processes that use a budget up together. */
const [name = '', place = '', limit = '0'] = process.argv.slice(2);
const contender = CONTENDERS.find((each) => each.name === name);
if (contender === undefined) throw new Error(`no contender is called ${name}`);
const abandoned = (): never => process.exit(1);
process.on('disconnect', abandoned);
if (!process.connected) abandoned();
const budget = await contender.open(place, Number(limit));
process.send?.('ready');
await once(process, 'message');
const report = await useUp(budget, 64);
await budget.close();
process.send?.(report, () => {
  process.off('disconnect', abandoned);
  process.disconnect();
});

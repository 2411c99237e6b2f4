/** The work of a backend that lives through faults. Plain JavaScript, so that processes of their own do it too. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Callers that reserve, and settle every other reservation, while they shall go on: also after denials. */
export async function churn(guard, { tokens, callers, goOn, aiType = 'imperium' }) {
  const churned = {
    reserved: [],
    settled: [],
    refusals: {},
    messages: [],
    slowestMs: 0,
    stalledMs: 0,
  };
  let turnedAt = performance.now();
  const turns = setInterval(() => {
    const now = performance.now();
    churned.stalledMs = Math.max(churned.stalledMs, now - turnedAt - 20);
    turnedAt = now;
  }, 20);
  const timed = async (work) => {
    const start = performance.now();
    try {
      return await work();
    } finally {
      churned.slowestMs = Math.max(churned.slowestMs, performance.now() - start);
    }
  };
  const refused = (code, message) => {
    churned.refusals[code] = (churned.refusals[code] ?? 0) + 1;
    if (!churned.messages.includes(message)) churned.messages.push(message);
    return sleep(5);
  };
  const request = { aiType, estimate: { input: tokens, output: 0 } };
  const caller = async () => {
    for (let turn = 0; goOn(); turn += 1) {
      const { reservation, reasons } = await timed(() => guard.reserve(request));
      if (reservation === null) {
        await refused(reasons[0].code, reasons[0].message);
        continue;
      }
      churned.reserved.push(reservation.id);
      if (turn % 2 === 1) continue;
      try {
        await timed(() => guard.settle(reservation.id, { inputTokens: 7, outputTokens: 0 }));
        churned.settled.push(reservation.id);
      } catch (error) {
        await refused(error.code, error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  clearInterval(turns);
  return churned;
}

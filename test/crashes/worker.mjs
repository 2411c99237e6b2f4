/**
 * A backend that spends for ever, and journals what it does, until it is killed. Each line of the
 * journal is on the disk before the next step:
 *
 *   key KEY TOKENS PLAN              it is about to reserve with this key
 *   dropped KEY                      that key admitted nothing, or its reservation had ended
 *   calling ID TOKENS PLAN KEY       it is about to call the provider; KEY is - without one
 *   ended ID STATE CHARGED           how the ledger said that the reservation ended
 *
 * PLAN is what the provider will have charged: tokens, `nothing`, or `unknown`.
 */
import { randomUUID } from 'node:crypto';
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { dieAt, pass } from './kill-points.mjs';
import { openTokenctl } from 'tokenctl';

const { databaseUrl, journal, callers, keyed, unfinished, death } = JSON.parse(process.argv[2]);

// It ends with who started it.
process.stdin.on('end', () => process.exit()).resume();

const file = openSync(journal, 'a');
function note(...words) {
  writeSync(file, `${words.join(' ')}\n`);
  fsyncSync(file);
}

const MOST_TOKENS = 100;
const upTo = (most) => 1 + Math.floor(Math.random() * most);

function newCall() {
  const tokens = upTo(MOST_TOKENS);
  const dice = Math.random();
  const plan = dice < 0.1 ? 'nothing' : dice < 0.2 ? 'unknown' : String(upTo(tokens));
  return { key: keyed ? randomUUID() : null, tokens, plan };
}

/** The admitted reservation's id; null when there is none. */
async function reserve({ key, tokens }) {
  try {
    const verdict = await tokenctl.reserve({
      aiType: Math.random() < 0.3 ? 'guardian' : 'imperium',
      estimate: { input: tokens, output: 0 },
      ...(key === null ? {} : { idempotencyKey: key, aiType: 'imperium' }),
    });
    const other = verdict.reasons.find(({ code }) => code !== 'window_exceeded');
    if (other !== undefined) throw new Error(other.message);
    return verdict.reservation?.id ?? null;
  } catch (error) {
    if (error.code === 'reservation_ended') return null;
    throw error;
  }
}

async function make(call) {
  const { key, tokens, plan } = call;
  if (key !== null) note('key', key, tokens, plan);
  const id = await reserve(call);
  if (id === null) {
    if (key !== null) note('dropped', key);
    await sleep(upTo(10));
    return;
  }
  pass('after the reserve, before its journal');
  note('calling', id, tokens, plan, key ?? '-');
  pass('after the journal, before the call');
  await sleep(upTo(10));
  pass('after the call, before the settle');
  const ending = await end(id, plan);
  pass('after the settle, before its journal');
  note('ended', id, ending.state, ending.charged);
}

function end(id, plan) {
  if (plan === 'nothing') return tokenctl.release(id);
  if (plan === 'unknown') return tokenctl.settle(id, { unknown: true });
  return tokenctl.settle(id, { inputTokens: Number(plan), outputTokens: 0 });
}

const tokenctl = await openTokenctl({ databaseUrl, config: { timeoutMs: 30_000 } });
if (death !== null) dieAt(death);
process.stdout.write('ready\n');
await Promise.all(
  Array.from({ length: callers }, async (_, caller) => {
    if (unfinished[caller] !== undefined) await make(unfinished[caller]);
    for (;;) await make(newCall());
  }),
);

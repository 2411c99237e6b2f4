import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { SharedReads } from '../../src/server/api/shared-reads.ts';

/** A ledger whose state is a number; a read sees it as it begins, and ends when it is told to. */
function ledger() {
  const ends: (() => void)[] = [];
  const state = { value: 0, begun: 0 };
  const read = async (): Promise<number> => {
    state.begun += 1;
    const { value } = state;
    await new Promise<void>((resolve) => ends.push(resolve));
    return value;
  };
  return { state, read, end: () => ends.shift()?.() };
}

const turn = (): Promise<void> => systemRuntime.yield();

describe('reads that are shared', () => {
  it('ask once for all who ask in the same turn', async () => {
    const shared = new SharedReads(systemRuntime);
    const { state, read, end } = ledger();
    const asked = Array.from({ length: 49 }, () => shared.share('status', read));
    // Later in the same turn, when the first would have begun.
    for (let each = 0; each < 10; each += 1) await Promise.resolve();
    asked.push(shared.share('status', read));
    await turn();
    await turn();
    end();
    expect(new Set(await Promise.all(asked))).toEqual(new Set([0]));
    expect(state.begun).toBe(1);
  });

  it('never answer with what was seen before the question', async () => {
    const shared = new SharedReads(systemRuntime);
    const { state, read, end } = ledger();
    const first = shared.share('status', read);
    await turn();
    await turn();
    expect(state.begun).toBe(1);
    state.value = 1;
    const late = [shared.share('status', read), shared.share('status', read)];
    await turn();
    await turn();
    // One is under way at a time.
    expect(state.begun).toBe(1);
    end();
    expect(await first).toBe(0);
    await turn();
    await turn();
    end();
    expect(await Promise.all(late)).toEqual([1, 1]);
    expect(state.begun).toBe(2);
  });

  it('hold up nobody who asks something else, and keep nothing', async () => {
    const shared = new SharedReads(systemRuntime);
    const slow = ledger();
    const waiting = shared.share('slow', slow.read);
    expect(await shared.share('quick', () => Promise.resolve('a'))).toBe('a');
    expect(await shared.share('quick', () => Promise.resolve('b'))).toBe('b');
    expect(shared.size).toBe(1);
    slow.end();
    expect(await waiting).toBe(0);
    expect(shared.size).toBe(0);
  });

  it('tell an error to all who asked for it, and try again for the next', async () => {
    const shared = new SharedReads(systemRuntime);
    const fail = (): Promise<never> => Promise.reject(new Error('lost'));
    const asked = [shared.share('status', fail), shared.share('status', fail)];
    const told = await Promise.allSettled(asked);
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const broken = (): Promise<never> => {
      throw new Error('broken');
    };
    await expect(shared.share('status', broken)).rejects.toThrow('broken');
    expect(await shared.share('status', () => Promise.resolve(1))).toBe(1);
    expect(shared.size).toBe(0);
  });
});

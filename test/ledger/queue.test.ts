import { describe, expect, it } from 'vitest';
import { BoundedQueue, type Waiting } from '../../src/ledger/queue.ts';

const waiting = (id: string, deadlineMs = 100): Waiting => ({
  command: { kind: 'release', id, errorMessage: null },
  deadlineMs,
  replay: false,
  resolve: () => undefined,
  reject: () => undefined,
});
const ids = (items: readonly Waiting[]) =>
  items.map(({ command }) => (command.kind === 'release' ? command.id : null));

describe('the bounded queue', () => {
  it('gives first what came first, and no more than it is asked for', () => {
    const queue = new BoundedQueue(10);
    for (const id of ['a', 'b', 'c']) expect(queue.push(waiting(id))).toBe(true);
    expect(ids(queue.take(2))).toEqual(['a', 'b']);
    expect(ids(queue.take(2))).toEqual(['c']);
    expect(ids(queue.take(2))).toEqual([]);
  });

  it('takes nothing above its bound, and again when there is room', () => {
    const queue = new BoundedQueue(2);
    expect(['a', 'b', 'c'].map((id) => queue.push(waiting(id)))).toEqual([true, true, false]);
    queue.take(1);
    expect(queue.push(waiting('d'))).toBe(true);
    expect(queue.size).toBe(2);
  });

  it('takes a batch back in front, also above its bound', () => {
    const queue = new BoundedQueue(2);
    queue.push(waiting('a'));
    queue.push(waiting('b'));
    const batch = queue.take(2);
    queue.push(waiting('c'));
    queue.putBack(batch);
    expect(queue.size).toBe(3);
    expect(queue.push(waiting('d'))).toBe(false);
    expect(ids(queue.take(9))).toEqual(['a', 'b', 'c']);
  });

  it('gives up those whose time is over, and keeps the order of the rest', () => {
    const queue = new BoundedQueue(9);
    queue.push(waiting('a', 5));
    queue.push(waiting('b', 20));
    queue.push(waiting('c', 10));
    queue.push(waiting('d', 11));
    expect(ids(queue.takeLate(4))).toEqual([]);
    expect(ids(queue.takeLate(10))).toEqual(['a', 'c']);
    expect(ids(queue.take(9))).toEqual(['b', 'd']);
    expect(ids(queue.takeLate(99))).toEqual([]);
  });

  it('loses nothing over many rounds', () => {
    const queue = new BoundedQueue(10_000);
    const taken: (string | null)[] = [];
    let pushed = 0;
    while (taken.length < 30_000) {
      for (let more = 0; more < 300 && pushed < 30_000; more += 1) {
        if (queue.push(waiting(String(pushed)))) pushed += 1;
      }
      taken.push(...ids(queue.take(256)));
    }
    expect(taken).toEqual(Array.from({ length: 30_000 }, (_, index) => String(index)));
  });
});

import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';

/** A wall clock that a test sets; waiting and deadlines stay real. */
export interface TestClock extends Runtime {
  set(time: string | number): void;
  advance(ms: number): void;
}

export function testClock(start: string): TestClock {
  let nowMs = Date.parse(start);
  return {
    ...systemRuntime,
    nowMs: () => nowMs,
    set(time) {
      nowMs = typeof time === 'number' ? time : Date.parse(time);
    },
    advance(ms) {
      nowMs += ms;
    },
  };
}

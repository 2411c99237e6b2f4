/** Refreshes of the living monitor without a terminal: real checks of the ledger, frames and their writing. */
import { Chalk } from 'chalk';
import type { App } from '../../src/app.ts';
import { LiveScreen } from '../../src/cli/live/screen.ts';
import { UNICODE, type Screen } from '../../src/cli/output.ts';
import { FIRST_STATE, liveFrame } from '../../src/cli/views/live/frame.ts';
import { readPulse } from '../../src/ledger/pulse.ts';

const SIZE = { columns: 80, rows: 24 };

/** Makes one refresh after the other, each a second later than the one before; how many characters were written. */
export function refresher(app: App): (count: number) => Promise<number> {
  const screen: Screen = {
    width: SIZE.columns,
    colors: new Chalk({ level: 1 }),
    symbols: UNICODE,
    utcOffsetMinutes: () => 60,
  };
  let written = 0;
  const live = new LiveScreen(
    {
      size: SIZE,
      write: (text) => {
        written += text.length;
      },
      listen: () => () => undefined,
    },
    () => undefined,
    () => undefined,
  );
  live.enter();
  let nowMs = app.runtime.nowMs();
  return async (count) => {
    const before = written;
    for (let done = 0; done < count; done += 1) {
      nowMs += 1_000;
      const pulse = await readPulse(app.ledger, app.location, null);
      const state = { ...FIRST_STATE, pulse, checkedMs: nowMs, nextMs: nowMs + 60_000 };
      live.draw(liveFrame(state, nowMs, SIZE, screen));
    }
    return written - before;
  };
}

/** What the heap holds after a garbage collection, in bytes. `node --expose-gc` is needed. */
export function heapAfterCollection(): number {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('start node with --expose-gc');
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

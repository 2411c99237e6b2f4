/**
 * Preloaded into a real process (`node --import`): its clock starts at the instant that TEST_CLOCK
 * names, goes on from there, and can be set again with `setProcessClock`.
 */
const RealDate = globalThis.Date;
let shiftMs = 0;

globalThis.setProcessClock = (instant) => {
  shiftMs = RealDate.parse(instant) - RealDate.now();
};

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
};

const start = process.env.TEST_CLOCK;
if (start !== undefined) globalThis.setProcessClock(start);

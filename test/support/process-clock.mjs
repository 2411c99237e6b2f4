/**
 * Preloaded into a real process (`node --import`): its clock starts at the instant that TEST_CLOCK
 * names and goes on from there, until `setProcessClock` stops it at another one. With
 * TEST_CLOCK_STOPPED it never goes on.
 */
const RealDate = globalThis.Date;
const shiftMs = RealDate.parse(process.env.TEST_CLOCK) - RealDate.now();
let stoppedMs = process.env.TEST_CLOCK_STOPPED ? RealDate.parse(process.env.TEST_CLOCK) : null;

globalThis.setProcessClock = (instant) => {
  stoppedMs = RealDate.parse(instant);
};

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(Date.now());
    else super(...args);
  }

  static now() {
    return stoppedMs ?? RealDate.now() + shiftMs;
  }
};

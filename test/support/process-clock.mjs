/**
 * Preloaded into a real process (`node --import`): its clock starts at the instant that TEST_CLOCK
 * names and goes on from there, until `setProcessClock` stops it at another one. With
 * TEST_CLOCK_STOPPED it never goes on. With TEST_CLOCK_JUMP_MS each SIGUSR2 sets it, and the clock that
 * never goes back, forward by so much.
 */
const RealDate = globalThis.Date;
const { TEST_CLOCK, TEST_CLOCK_STOPPED, TEST_CLOCK_JUMP_MS } = process.env;
let shiftMs = TEST_CLOCK === undefined ? 0 : RealDate.parse(TEST_CLOCK) - RealDate.now();
let stoppedMs = TEST_CLOCK_STOPPED ? RealDate.parse(TEST_CLOCK) : null;

globalThis.setProcessClock = (instant) => {
  stoppedMs = RealDate.parse(instant);
};

if (TEST_CLOCK_JUMP_MS !== undefined) {
  const realNow = performance.now.bind(performance);
  let jumpedMs = 0;
  process.on('SIGUSR2', () => {
    shiftMs += Number(TEST_CLOCK_JUMP_MS);
    jumpedMs += Number(TEST_CLOCK_JUMP_MS);
  });
  performance.now = () => realNow() + jumpedMs;
}

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(Date.now());
    else super(...args);
  }

  static now() {
    return stoppedMs ?? RealDate.now() + shiftMs;
  }
};

import { describe, expect, it } from 'vitest';
import { USUAL_ALERT_KINDS } from '../../src/budget/alert-kinds.ts';
import { parseAlertKinds } from '../../src/config/alert-kinds.ts';

const FILE = '/etc/tokenctl/config.json';
const parse = (kinds: unknown) => parseAlertKinds({ kinds, file: FILE });
const HOUR_MS = 3_600_000;

describe('kinds of alerts', () => {
  it('are as usual where nothing else is said: all but silence', () => {
    expect(parse({})).toEqual(USUAL_ALERT_KINDS);
    expect(parse({ denials: true, 'burn-rate': {}, silence: false })).toEqual(USUAL_ALERT_KINDS);
    expect(USUAL_ALERT_KINDS.silence).toBeNull();
  });

  it('have a switch each', () => {
    const off = { level: false, 'ai-type': false, exhausted: false, overrun: false, blind: false };
    expect(parse({ ...off, denials: false, 'burn-rate': false })).toEqual({
      ...{ ...off, denials: null, 'burn-rate': null, silence: null },
    });
  });

  it('have numbers and hours of their own', () => {
    const hours = { from: '08:00', to: '20:00', tz: 'Europe/Berlin' };
    expect(
      parse({
        denials: { percent: 80 },
        'burn-rate': { times: 1.5 },
        silence: { after: '2h', hours },
      }),
    ).toMatchObject({
      ...{ denials: { percent: 80 }, 'burn-rate': { times: 1.5 } },
      silence: { afterMs: 2 * HOUR_MS, hours: { from: 480, to: 1_200, tz: 'Europe/Berlin' } },
    });
    expect(parse({ silence: { after: '90m' } }).silence).toEqual({
      afterMs: 1.5 * HOUR_MS,
      hours: null,
    });
  });

  it.each<[unknown, string, RegExp]>([
    [[], '', /must be an object, the keys are: level, ai-type/],
    [null, '', /must be an object/],
    ['all', '', /must be an object/],
    [{ rain: true }, '', /has no key "rain"/],
    [{ 'a\nb': true }, '', /has no key "a\?b"/],
    [{ level: 'on' }, '.level', /must be true or false/],
    [{ overrun: null }, '.overrun', /must be true or false/],
    [{ blind: {} }, '.blind', /must be true or false/],
    [{ denials: 50 }, '.denials', /must be true, false or \{ "percent": 50 \}/],
    [{ denials: { percent: 0 } }, '.denials.percent', /whole number from 1 to 100/],
    [{ denials: { percent: 101 } }, '.denials.percent', /whole number from 1 to 100/],
    [{ denials: { percent: '50' } }, '.denials.percent', /must be a number/],
    [{ denials: { share: 1 } }, '.denials', /has no key "share"/],
    [{ 'burn-rate': { times: 1 } }, '.burn-rate.times', /above 1, up to 1000/],
    [{ 'burn-rate': { times: NaN } }, '.burn-rate.times', /above 1/],
    [{ 'burn-rate': 3 }, '.burn-rate', /must be true, false or \{ "times": 3 \}/],
    [{ silence: true }, '.silence', /must be false or an object: write \{ "after": "2h" \}/],
    [{ silence: {} }, '.silence.after', /is needed/],
    [{ silence: { after: 2 } }, '.silence.after', /must be text/],
    [{ silence: { after: '0h' } }, '.silence.after', /longer than 0/],
    [{ silence: { after: '8d' } }, '.silence.after', /at most 7d/],
    [{ silence: { after: 'soon' } }, '.silence.after', /no length of time/],
    [{ silence: { after: '1h', at: 1 } }, '.silence', /has no key "at"/],
    [{ silence: { after: '1h', hours: '9-5' } }, '.silence.hours', /must be an object/],
    [{ silence: { after: '1h', hours: { from: '09:00' } } }, '.silence.hours.to', /is needed/],
    [{ silence: { after: '1h', hours: { from: 9, to: '17:00' } } }, '.silence.hours.from', /text/],
    [
      { silence: { after: '1h', hours: { from: '9', to: '17:00' } } },
      '.silence.hours.from',
      /time of day/,
    ],
    [
      { silence: { after: '1h', hours: { from: '09:00', to: '17:00', tz: 'Mars/Base' } } },
      '.silence.hours.tz',
      /no time zone/,
    ],
    [
      { silence: { after: '8h', hours: { from: '09:00', to: '17:00' } } },
      '.silence.after',
      /as long as the hours/,
    ],
  ])('%j are refused', (kinds, key, problem) => {
    const field = `alerts.kinds${key} in ${FILE}`;
    expect(() => parse(kinds)).toThrow(problem);
    expect(() => parse(kinds)).toThrow(expect.objectContaining({ field }) as Error);
  });
});

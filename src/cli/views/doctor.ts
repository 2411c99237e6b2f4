import type { Screen } from '../output.ts';
import type { Check } from '../doctor/check.ts';
import { counted, fixLine, hang } from './text.ts';

const WIDTH = 14;

/** A line a check, what mends it under it, and the sum. */
export function doctorView(checks: readonly Check[], screen: Screen): string {
  const { colors, symbols, width } = screen;
  const marks = {
    ok: { text: symbols.tick, paint: colors.green },
    note: { text: '!', paint: colors.yellow },
    problem: { text: symbols.cross, paint: colors.red },
  };
  const lines = checks.flatMap(({ name, state, message, fix }) => {
    const { text, paint } = marks[state];
    const lead = `${text.padEnd(3)}${name.padEnd(WIDTH)}`;
    const [first = '', ...rest] = hang(lead, message, width);
    return [
      `${paint(text)}${first.slice(text.length)}`,
      ...rest,
      ...(fix === null ? [] : [fixLine(fix, screen, 5)]),
    ];
  });
  const problems = checks.filter(({ state }) => state === 'problem').length;
  const notes = checks.filter(({ state }) => state === 'note').length;
  const sum = [
    problems === 0 ? 'No problem' : counted(problems, 'problem'),
    ...(notes === 0 ? [] : [counted(notes, 'note')]),
  ];
  return [...lines, '', `${sum.join(', ')}.`].join('\n');
}

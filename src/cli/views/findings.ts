import type { Finding } from '../../budget/finding.ts';
import type { Screen } from '../output.ts';
import { fixLine, hang } from './text.ts';

/** What contradicts itself, each with the command that mends it. */
export function findingLines(findings: readonly Finding[], screen: Screen): string[] {
  const { colors, width } = screen;
  return findings.flatMap(({ severity, message, fix }) => {
    const lead = severity === 'problem' ? 'problem: ' : 'note: ';
    const lines = hang(lead, message, width);
    const paint = severity === 'problem' ? colors.yellow : colors.dim;
    const [first = '', ...rest] = lines;
    return [
      `${paint(lead.trimEnd())}${first.slice(lead.trimEnd().length)}`,
      ...rest,
      ...(fix === null ? [] : [fixLine(fix, screen)]),
    ];
  });
}

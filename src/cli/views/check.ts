import { globalScopeLimits } from '../../budget/decide.ts';
import { ownLimits, type Limits } from '../../budget/limits.ts';
import type { Reason, Verdict } from '../../budget/verdict.ts';
import type { StatusReport } from '../../ledger/status.ts';
import type { Screen } from '../output.ts';
import { count, counted, duration, fixLine, hang, timeText } from './text.ts';

/** One rule of an admission, passed or broken, with its arithmetic. */
export interface RuleLine {
  readonly passed: boolean;
  readonly text: string;
}

/** What was asked, every rule ticked or crossed, and what to do. */
export function checkView(
  verdict: Verdict,
  report: StatusReport,
  limits: Limits,
  screen: Screen,
): string {
  return [
    ...hang('', `${verdict.aiType} asks for ${estimateText(verdict)}`, screen.width),
    '',
    ...ruleLines(rules(verdict, report, limits), screen),
    '',
    ...conclusion(verdict, screen, Date.parse(report.time)),
  ].join('\n');
}

/** `1,073 tokens (49 in + up to 1,024 out)` */
export function estimateText({ estimate }: Verdict): string {
  const { input, output, total } = estimate;
  const parts = output === 0 ? '' : ` (${count(input)} in + up to ${count(output)} out)`;
  return `${counted(total, 'token')}${parts}`;
}

/** Each rule ticked or crossed. */
export function ruleLines(
  rules: readonly RuleLine[],
  { colors, symbols, width }: Screen,
): string[] {
  const mark = Math.max(symbols.tick.length, symbols.cross.length);
  return rules.flatMap(({ passed, text }) => {
    const sign = (passed ? symbols.tick : symbols.cross).padEnd(mark);
    const [first = '', ...rest] = hang(`${sign} `, text, width);
    const paint = passed ? colors.green : colors.red;
    return [`${paint(sign)}${first.slice(mark)}`, ...rest];
  });
}

/** A denial in one word and why, then each thing to do. */
export function denialLines({ reasons }: Verdict, when: string, screen: Screen): string[] {
  const { colors, symbols, width } = screen;
  const [first = '', ...rest] = hang('DENIED: ', when, width);
  const fixes = [...new Set(reasons.flatMap(({ fix }) => (fix === null ? [] : [fix])))];
  return [
    `${colors.red('DENIED')}${first.slice('DENIED'.length)}`,
    ...rest,
    ...fixes.flatMap((fix) =>
      fix.includes('tokenctl ') ? [fixLine(fix, screen)] : hang(`  ${symbols.arrow} `, fix, width),
    ),
  ];
}

/** A receipt where the ledger could not be asked. */
export function lostCheckView(verdict: Verdict, screen: Screen): string {
  return conclusion(verdict, screen, null).join('\n');
}

function conclusion(verdict: Verdict, screen: Screen, nowMs: number | null): string[] {
  if (verdict.admitted) {
    const text = 'this request would pass now. Nothing was reserved.';
    const [first = '', ...rest] = hang('ADMITTED: ', text, screen.width);
    const word = screen.colors.green('ADMITTED');
    return [`${word}${first.slice('ADMITTED'.length)}`, ...rest];
  }
  const { reasons, retryAt, largestAdmissible: largest } = verdict;
  const lost = largest === null;
  const never = reasons.some(({ canEverPass }) => !canEverPass);
  const passes =
    largest === 0 || lost
      ? 'no request passes now'
      : `the largest request that passes now has ${counted(largest, 'token')}`;
  const when = lost
    ? 'the ledger did not answer, and a ledger that does not answer denies'
    : never
      ? `it can never pass under these limits; ${passes}`
      : retryAt === null || nowMs === null
        ? passes
        : `it may pass in ${duration(Date.parse(retryAt) - nowMs)} (${timeText(retryAt)}); ${passes}`;
  const why = lost ? reasons.flatMap(({ message }) => hang('  ', message, screen.width)) : [];
  return [...why, ...denialLines(verdict, when, screen)];
}

/** What a reason says, with the name of its rule before it. */
export function brokenText({ code, message }: Reason): string {
  if (code === 'request_too_large') return `request: ${message}`;
  return code === 'provider_request_too_large' ? `provider: ${message}` : message;
}

function rules(
  { reasons, estimate, aiType }: Verdict,
  report: StatusReport,
  limits: Limits,
): RuleLine[] {
  const { total } = estimate;
  const broken = new Set<Reason>();
  /** The reason that a rule was broken for; otherwise what the rule says. */
  const line = (text: string, is: (reason: Reason) => boolean): RuleLine => {
    const found = reasons.filter(is);
    for (const reason of found) broken.add(reason);
    return found[0] === undefined
      ? { passed: true, text }
      : { passed: false, text: brokenText(found[0]) };
  };
  const lines: RuleLine[] = [
    line(`level: ${report.level}, below emergency`, ({ code }) => code === 'emergency_shutdown'),
  ];
  const own = ownLimits(limits, aiType);
  const scopes = [
    ['global', '', globalScopeLimits(limits)] as const,
    ...(own === null ? [] : ([[aiType, `${aiType}'s `, own]] as const)),
  ];
  for (const [scope, whose, { request }] of scopes) {
    if (request === null) continue;
    lines.push(
      line(
        `request: ${count(total)} is within ${whose === '' ? 'the' : whose.trim()} limit of ${count(request)} a request`,
        (reason) => reason.code === 'request_too_large' && reason.scope === scope,
      ),
    );
  }
  if (limits.tokensPerRequest !== null) {
    lines.push(
      line(
        `provider: ${count(total)} is within the ceiling of ${count(limits.tokensPerRequest)} a request`,
        ({ code }) => code === 'provider_request_too_large',
      ),
    );
  }
  if (report.level === 'critical' && limits.criticalRequest !== null) {
    lines.push(
      line(
        `critical: ${count(total)} is within ${count(limits.criticalRequest)} a request`,
        ({ code }) => code === 'critical_restricts_large',
      ),
    );
  }
  for (const row of report.windows) {
    const { scope, window, used, held, limit } = row;
    if (limit === null || (scope !== 'global' && scope !== aiType)) continue;
    const name = scope === 'global' ? window : `${scope} ${window}`;
    lines.push(
      line(
        `${name}: ${count(used)} used + ${count(held)} held + ${count(total)} requested is within ${count(limit)}`,
        (reason) =>
          reason.code === 'window_exceeded' && reason.scope === scope && reason.window === window,
      ),
    );
  }
  for (const { window, requests, limit } of report.rates) {
    if (limit === null) continue;
    lines.push(
      line(
        `rate: ${counted(requests, 'request')} + 1 is within ${count(limit)} ${window === 'minute' ? 'in 60 s' : 'a UTC day'}`,
        (reason) => reason.code === 'rate_exceeded' && reason.window === window,
      ),
    );
  }
  // What changed between the two reads: a denial never loses a reason.
  const others = reasons.filter((reason) => !broken.has(reason));
  return [...lines, ...others.map((reason) => ({ passed: false, text: brokenText(reason) }))];
}

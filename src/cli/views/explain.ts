import { ownLimits, type Limits } from '../../budget/limits.ts';
import type { Verdict } from '../../budget/verdict.ts';
import { isoTime } from '../../budget/windows.ts';
import type { LogEntry } from '../../ledger/port.ts';
import { verdictOf } from '../../ledger/request-document.ts';
import type { Screen } from '../output.ts';
import { brokenText, denialLines, estimateText, ruleLines } from './check.ts';
import { count, counted, duration, hang, oneLine, timeText } from './text.ts';

/**
 * A past request: what it was, when, and what it cost; of a denial every rule that it broke.
 * @param sameName how many requests bear the name that was asked for; this is the newest
 * @param limits those in force now
 * @param now the receipt of a dry check of the same request, for a denial
 */
export function explainView(
  entry: LogEntry,
  sameName: number,
  limits: Limits,
  now: string | null,
  screen: Screen,
): string {
  const verdict = verdictOf(entry);
  return [
    ...facts(entry, sameName, limits).flatMap(([label, text]) =>
      hang(label.padEnd(LABEL_WIDTH), text, screen.width),
    ),
    ...(verdict === null ? [] : ['', ...denialReceipt(verdict, screen)]),
    ...(now === null ? [] : ['', screen.colors.bold('The same request now'), '', now]),
  ].join('\n');
}

const LABEL_WIDTH = 'Reserved  '.length;

function facts(entry: LogEntry, sameName: number, limits: Limits): [string, string][] {
  const { requestId, idempotencyKey, model, error, stopReason, endedAtMs, expiresAtMs, atMs } =
    entry;
  const timed = (at: number): string => timeText(isoTime(at));
  const lines: [string, string | null][] = [
    ['Request', requestId === null ? null : `${oneLine(requestId)}${newestOf(sameName)}`],
    ['Id', requestId === null ? `${entry.id}${newestOf(sameName)}` : entry.id],
    [
      'Key',
      idempotencyKey === null || idempotencyKey === requestId ? null : oneLine(idempotencyKey),
    ],
    ['AI type', entry.aiType],
    ['State', stateText(entry, limits)],
    ['Cost', costText(entry)],
    ['Made', timed(atMs)],
    ['Ended', endedText(entry, endedAtMs, timed)],
    ['Expires', entry.state === 'held' && expiresAtMs !== null ? timed(expiresAtMs) : null],
    ['Reserved', reservedText(entry)],
    ['Model', model === null ? null : oneLine(model)],
    ['Stopped', stopReason === null ? null : oneLine(stopReason)],
    ['Logged by', entry.requestType === null ? null : oneLine(entry.requestType)],
    ['Error', error === null || entry.state === 'denied' ? null : oneLine(error)],
  ];
  return lines.flatMap(([label, text]) => (text === null ? [] : [[label, text]]));
}

function newestOf(sameName: number): string {
  return sameName > 1 ? `, the newest of ${count(sameName)} with that name` : '';
}

function stateText(entry: LogEntry, limits: Limits): string {
  switch (entry.state) {
    case 'held':
      return 'held: it is open, and its estimate is kept free for it';
    case 'settled':
      return entry.reservedTokens === 0
        ? `settled, logged by another program: it was counted, not asked for${aboveText(entry, limits)}`
        : 'settled: it passed, and is charged what it used';
    case 'failed':
      return 'failed: it is charged what its writer reported';
    case 'released':
      return 'released: nothing was charged';
    case 'expired':
      return 'expired: it was never settled, so it is charged in full';
    case 'denied':
      return entry.deniedCount > 1
        ? `denied: this row stands for ${counted(entry.deniedCount, 'denial')} of that second, and has the verdict of the first`
        : 'denied: it was not made, and cost nothing';
  }
}

/** Such a request would have been denied, had it been asked for under the limits of now. */
function aboveText({ aiType, charged }: LogEntry, limits: Limits): string {
  const own = ownLimits(limits, aiType)?.request ?? Infinity;
  const most = Math.min(limits.request ?? Infinity, own);
  return charged > most ? `; it is above the limit of ${counted(most, 'token')} a request` : '';
}

function costText(entry: LogEntry): string | null {
  if (entry.state === 'denied' || entry.state === 'held') return null;
  const { charged, tokensIn, tokensOut } = entry;
  return `${counted(charged, 'token')} (${count(tokensIn)} in + ${count(tokensOut)} out)`;
}

function endedText(
  { atMs, state }: LogEntry,
  endedAtMs: number | null,
  timed: (at: number) => string,
): string | null {
  if (endedAtMs === null || state === 'denied') return null;
  return `${timed(endedAtMs)}, after ${duration(endedAtMs - atMs)}`;
}

function reservedText({
  reservedTokens,
  reservedInputTokens,
  requestItems,
}: LogEntry): string | null {
  if (reservedTokens === 0) return null;
  const output = reservedTokens - reservedInputTokens;
  const items = requestItems > 1 ? `, for ${count(requestItems)} requests` : '';
  return `${counted(reservedTokens, 'token')} (${count(reservedInputTokens)} in + up to ${count(output)} out)${items}`;
}

/** Of the rules that it passed, a denial keeps no numbers. */
function denialReceipt(verdict: Verdict, screen: Screen): string[] {
  const { reasons, retryAt, largestAdmissible: largest } = verdict;
  const broken = reasons.map((reason) => ({ passed: false, text: brokenText(reason) }));
  const never = reasons.some(({ canEverPass }) => !canEverPass);
  const passed =
    largest === null || largest === 0
      ? 'no request passed then'
      : `the largest request that passed then had ${counted(largest, 'token')}`;
  const when = never
    ? 'it could never pass under the limits of then'
    : retryAt === null
      ? 'it did not pass'
      : `it could have passed from ${timeText(retryAt)} on`;
  return [
    ...hang('', `It asked for ${estimateText(verdict)}`, screen.width),
    '',
    ...ruleLines([...broken, { passed: true, text: 'no other rule was broken' }], screen),
    '',
    ...denialLines(verdict, `${when}; ${passed}`, screen),
  ];
}

import { count } from './tokens.ts';

/** Words and numbers as every screen, message and page writes them. Pure. */

/** `1 request`, `2 requests`. */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`;
}

/** '97.30 %', '6,497.18 %'. Two decimals, as computed: rounded down, so that 99.999 is never shown as 100. */
export function percentText(percent: number | null): string {
  if (percent === null) return '-';
  const [whole, part] = percent.toFixed(2).split('.') as [string, string];
  return `${count(Number(whole))}.${part} %`;
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** The two greatest units of a length of time: '6 d 17 h', '26 min', '9 s'. */
export function duration(ms: number): string {
  let seconds = Math.max(0, Math.round(ms / 1_000));
  const parts: string[] = [];
  for (const [unit, length] of UNITS) {
    const amount = Math.floor(seconds / length);
    seconds -= amount * length;
    if (amount > 0) parts.push(`${String(amount)} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

/** The greatest unit of a length of time: '6 d', '26 min'. */
export function age(ms: number): string {
  return duration(ms).split(' ').slice(0, 2).join(' ');
}

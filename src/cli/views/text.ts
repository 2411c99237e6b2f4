/** Words and numbers as every screen writes them. Pure; times in UTC. */

/** 18059974 → '18,059,974'. Not Intl: building a formatter costs more than a whole view. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** A limit, or 'off'. */
export function limitText(limit: number | null): string {
  return limit === null ? 'off' : count(limit);
}

/** `1 request`, `2 requests`. */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`;
}

/** Two decimals, as computed: rounded down, so that 99.999 is never shown as 100. */
export function percentText(percent: number | null): string {
  return percent === null ? '-' : `${percent.toFixed(2)} %`;
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

/** '2026-11-24 06:32:10 UTC'; '2026-12-01 00:00 UTC' at a full minute */
export function timeText(iso: string): string {
  const clock = iso.slice(11, 19);
  return `${iso.slice(0, 10)} ${clock.endsWith(':00') ? clock.slice(0, 5) : clock} UTC`;
}

/** Keeps a name's beginning and end within `max` characters. */
export function shorten(name: string, max: number): string {
  if (name.length <= max) return name;
  const keep = Math.max(1, max - 1);
  const tail = Math.floor(keep / 3);
  return `${name.slice(0, keep - tail)}~${tail === 0 ? '' : name.slice(-tail)}`;
}

/** Another program's text as one line: nothing in it can move the cursor or break a line. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/\p{C}/gu, '?').trim();
}

/** Breaks text between words into lines of at most `width`; a longer word has its own line. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}

/** Wraps with a first line's lead (`! `, `-> `) and the rest indented under it. */
export function hang(lead: string, text: string, width: number): string[] {
  const indent = ' '.repeat(lead.length);
  return wrap(text, Math.max(20, width - lead.length)).map((line, index) =>
    index === 0 ? `${lead}${line}` : `${indent}${line}`,
  );
}

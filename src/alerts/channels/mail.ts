import type { AlertLevel } from '../../ledger/alerts.ts';
import type { DigestMessage } from '../digest.ts';
import { barText, type Message } from '../message.ts';

/** The two bodies of a mail, of an alert and of a digest. Pure. */

const BAR = 40;
/** As wide as mails in plain text are. */
const WIDTH = 76;

export function textMail(message: Message): string {
  const { summary, facts, spenders, effect, command, bar } = message;
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return [
    ...wrap(summary),
    '',
    ...(bar === null ? [] : [barText(bar, BAR), '']),
    ...facts.flatMap(([name, value]) => wrap(value, `${name}:`.padEnd(width))),
    ...(spenders.length === 0
      ? []
      : ['', 'Top AI types:', ...spenders.flatMap((each) => wrap(each, '  '))]),
    '',
    ...wrap(effect, 'Now:  '),
    `Next: ${command}`,
    '',
  ].join('\n');
}

export function textDigest({ title, entries, more, command }: DigestMessage): string {
  return [
    ...wrap(title),
    '',
    ...entries.flatMap((entry) => [
      ...wrap(entry.title, '- '),
      ...wrap(entry.when, '  '),
      ...(entry.effect === null ? [] : wrap(entry.effect, '  Now: ')),
      '',
    ]),
    ...(more === 0 ? [] : [`and ${String(more)} more`, '']),
    `Next: ${command}`,
    '',
  ].join('\n');
}

/** Breaks between words; what follows the first line stands under the text after `lead`. */
function wrap(text: string, lead = ''): string[] {
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(/\s+/u)) {
    const begun = line.length > lead.length;
    if (begun && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = ' '.repeat(lead.length) + word;
    } else {
      line += `${begun ? ' ' : ''}${word}`;
    }
  }
  return [...lines, line];
}

type Look = AlertLevel | 'resolved';

/** Of texts and bars: on white, and on black. */
const COLORS: Readonly<Record<Look, { readonly light: string; readonly dark: string }>> = {
  warning: { light: '#b45309', dark: '#fbbf24' },
  critical: { light: '#b91c1c', dark: '#f87171' },
  emergency: { light: '#7f1d1d', dark: '#fca5a5' },
  resolved: { light: '#15803d', dark: '#4ade80' },
};

export function htmlMail(message: Message, look: Look): string {
  const { title, summary, facts, spenders, effect, command, bar } = message;
  const rows = facts.map(
    ([name, value]) =>
      `<tr><td class="soft" style="${CELL};white-space:nowrap;color:#6b7280">${html(name)}</td><td style="${CELL}">${html(value)}</td></tr>`,
  );
  const top =
    spenders.length === 0
      ? ''
      : `<p style="margin:16px 0 4px"><b>Top AI types</b></p>
<ul style="margin:0;padding-left:20px">${spenders.map((each) => `<li>${html(each)}</li>`).join('')}</ul>`;
  return page(
    title,
    look,
    `<p style="margin:0 0 16px">${html(summary)}</p>
${bar === null ? '' : barTable(bar, look)}
<table style="border-collapse:collapse;font-size:14px">${rows.join('')}</table>
${top}
<p style="margin:16px 0 4px"><b>Now:</b> ${html(effect)}</p>
${next(command)}`,
  );
}

export function htmlDigest({ title, level, entries, more, command }: DigestMessage): string {
  const items = entries.map(
    (entry) =>
      `<div class="line" style="margin:0 0 12px;padding:0 0 12px;border-bottom:1px solid #e5e7eb">
<b class="${entry.level}" style="color:${COLORS[entry.level].light}">${html(entry.title)}</b><br>
<span class="soft" style="color:#6b7280">${html(entry.when)}</span>${
        entry.effect === null ? '' : `<br>\n<b>Now:</b> ${html(entry.effect)}`
      }
</div>`,
  );
  const rest = more === 0 ? '' : `<p style="margin:0 0 12px">and ${String(more)} more</p>\n`;
  return page(title, level, `${items.join('\n')}\n${rest}${next(command)}`);
}

const CELL = 'padding:4px 12px 4px 0;vertical-align:top';

/**
 * With tables and styles in place, as mail programs know little else; no picture, no link, no script.
 * The sheet is for those that can be dark: the others leave it out.
 */
function page(title: string, look: Look, content: string): string {
  const { light } = COLORS[look];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>${html(title)}</title>
<style>
:root { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
body, .page { background: #111827 !important; color: #e5e7eb !important }
.card { background: #1f2937 !important }
.soft { color: #9ca3af !important }
.free, code { background: #374151 !important }
.line { border-color: #374151 !important }
${Object.entries(COLORS)
  .map(
    ([name, { dark }]) =>
      `.${name} { color: ${dark} !important }\n.edge-${name} { border-color: ${dark} !important }\n.bar-${name} { background: ${dark} !important }`,
  )
  .join('\n')}
}
</style></head>
<body style="margin:0;background:#f3f4f6;color:#111827;font:15px/1.45 system-ui,sans-serif">
<div class="page" style="padding:16px;background:#f3f4f6">
<div class="card edge-${look}" style="max-width:600px;margin:0 auto;box-sizing:border-box;background:#ffffff;border-top:6px solid ${light};padding:20px 24px;overflow-wrap:anywhere">
<h1 class="${look}" style="margin:0 0 12px;font-size:19px;line-height:1.3;color:${light}">${html(title)}</h1>
${content}
</div></div></body></html>
`;
}

function barTable({ used, held }: NonNullable<Message['bar']>, look: Look): string {
  const part = (share: number, background: string, name: string): string =>
    share <= 0
      ? ''
      : `<td class="${name}" style="width:${String(share)}%;background:${background};height:14px;padding:0;font-size:0">&nbsp;</td>`;
  const parts = [
    part(used, COLORS[look].light, `bar-${look}`),
    part(held, '#94a3b8', 'held'),
    part(100 - used - held, '#e5e7eb', 'free'),
  ];
  return `<table role="presentation" style="width:100%;border-collapse:collapse;margin:0 0 16px"><tr>${parts.join('')}</tr></table>`;
}

function next(command: string): string {
  return `<p style="margin:0"><b>Next:</b> <code style="background:#f3f4f6;padding:2px 6px">${html(command)}</code></p>`;
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(' %', '&nbsp;%');
}

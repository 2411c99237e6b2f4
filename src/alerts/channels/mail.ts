import type { AlertLevel } from '../../ledger/alerts.ts';
import { barText, type Message } from '../message.ts';

/** The two bodies of a mail. Pure. */

const BAR = 40;

export function textMail(message: Message): string {
  const { summary, facts, spenders, effect, command, bar } = message;
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return [
    summary,
    '',
    ...(bar === null ? [] : [barText(bar, BAR)]),
    '',
    ...facts.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`),
    ...(spenders.length === 0 ? [] : ['', 'Top AI types:', ...spenders.map((each) => `  ${each}`)]),
    '',
    `Now: ${effect}`,
    `Next: ${command}`,
    '',
  ].join('\n');
}

const COLORS = {
  warning: '#b45309',
  critical: '#b91c1c',
  emergency: '#7f1d1d',
  resolved: '#15803d',
} as const;

/** With tables and styles in place, as mail programs know nothing newer; no picture, no link, no script. */
export function htmlMail(message: Message, level: AlertLevel | 'resolved'): string {
  const { title, summary, facts, spenders, effect, command, bar } = message;
  const color = COLORS[level];
  const cell = 'padding:4px 12px 4px 0;vertical-align:top';
  const rows = facts.map(
    ([name, value]) =>
      `<tr><td style="${cell};color:#6b7280">${html(name)}</td><td style="${cell}">${html(value)}</td></tr>`,
  );
  const part = (share: number, background: string): string =>
    share <= 0
      ? ''
      : `<td style="width:${String(share)}%;background:${background};height:14px;font-size:0">&nbsp;</td>`;
  const top =
    spenders.length === 0
      ? ''
      : `<p style="margin:16px 0 4px"><b>Top AI types</b></p><ul style="margin:0;padding-left:20px">${spenders
          .map((each) => `<li>${html(each)}</li>`)
          .join('')}</ul>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${html(title)}</title></head>
<body style="margin:0;padding:16px;background:#f3f4f6;color:#111827;font:15px/1.45 system-ui,sans-serif">
<div style="max-width:600px;margin:0 auto;background:#ffffff;border-top:6px solid ${color};padding:20px 24px">
<h1 style="margin:0 0 12px;font-size:19px;color:${color}">${html(title)}</h1>
<p style="margin:0 0 16px">${html(summary)}</p>
${bar === null ? '' : `<table role="presentation" style="width:100%;border-collapse:collapse;margin:0 0 16px"><tr>${part(bar.used, color)}${part(bar.held, '#f59e0b')}${part(100 - bar.used - bar.held, '#e5e7eb')}</tr></table>`}
<table style="border-collapse:collapse;font-size:14px">${rows.join('')}</table>
${top}
<p style="margin:16px 0 4px"><b>Now:</b> ${html(effect)}</p>
<p style="margin:0"><b>Next:</b> <code style="background:#f3f4f6;padding:2px 6px">${html(command)}</code></p>
</div></body></html>
`;
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

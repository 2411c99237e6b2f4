import { createHash } from 'node:crypto';

/**
 * A unit file knows whether someone has changed it: its first line has the digest of the others. So a
 * later version may replace what an earlier one has written, and nobody's own work is lost.
 */

const HEAD =
  '# Written by tokenctl service install. Change it by systemctl edit, in a file of your own. ';
const FORM = /^# Written by tokenctl service install\..* sha256:([0-9a-f]{64})\n/;

/** `missing`; `current`, as it would be written now; `outdated`, as another version wrote it; `changed` by someone. */
export type FileState = 'missing' | 'current' | 'outdated' | 'changed';

export function signed(unit: string): string {
  return `${HEAD}sha256:${digest(unit)}\n${unit}`;
}

/** @param found null where there is no file */
export function fileState(found: string | null, wanted: string): FileState {
  if (found === null) return 'missing';
  if (found === wanted) return 'current';
  const form = FORM.exec(found);
  if (form === null) return 'changed';
  return form[1] === digest(found.slice(form[0].length)) ? 'outdated' : 'changed';
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

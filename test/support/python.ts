/** The Python that `python3` is: where that is a version manager's script, it costs each run several times its own start. */
import { spawnSync } from 'node:child_process';

const asked = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
});
if (asked.status !== 0) throw new Error('these tests run a real Python program: install python3');

export const PYTHON = asked.stdout.trim();

import { ok, problem, type Check } from './check.ts';

/** Whether this Node.js fits a range such as '>=20.19'. */
export function nodeCheck(version: string, range: string): Check {
  const least = range.replace(/^\D+/, '').split('.').map(Number);
  const own = version.split('.').map(Number);
  const first = least.findIndex((part, index) => part !== own[index]);
  const enough = first === -1 || (own[first] ?? 0) > (least[first] ?? 0);
  return enough
    ? ok('node', `Node.js ${version}`)
    : problem('node', `Node.js ${version}, and tokenctl needs ${range}`, 'install a newer Node.js');
}

/** What runs: tokenctl, the driver, and the database's own version. */
export function versionCheck(versions: Readonly<Record<string, string | null>>): Check {
  const lost = Object.entries(versions).flatMap(([name, version]) =>
    version === null ? [name] : [],
  );
  if (lost.length > 0) {
    return problem('versions', `not installed: ${lost.join(', ')}`, 'install tokenctl again');
  }
  const all = Object.entries(versions).map(([name, version]) => `${name} ${String(version)}`);
  return ok('versions', all.join(', '));
}

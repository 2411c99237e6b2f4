/** The units that are written, judged by systemd's own programs, and the files that hold them. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CommandContext } from '../../src/cli/context.ts';
import { servicePlan, type ServicePlan } from '../../src/cli/service/plan.ts';
import { SERVICES, unitName, unitText, type UnitOptions } from '../../src/cli/service/unit.ts';
import { systemHost } from '../../src/platform/process.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { requireSystemd } from '../support/service-manager.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

beforeAll(requireSystemd);

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

/** A service of the system, of a tokenctl that is installed there whatever this checkout is. */
function systemPlan(
  options: Partial<CommandContext['options']>,
  program = '/usr/lib/node_modules/tokenctl/bin/tokenctl.js',
): Promise<ServicePlan> {
  const host = { ...systemHost(), environment: {}, nodePath: '/usr/bin/node', platform: 'linux' };
  const context = { host, options: { color: false, ...options } } as CommandContext;
  return servicePlan(context, { system: true }, program);
}

/** Says what systemd finds wrong with a unit; empty when all is well. */
function verified(name: string, text: string): string {
  const file = join(temporaryDirectory(), name);
  writeFileSync(file, text);
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
    encoding: 'utf8',
  });
  const own = (stdout + stderr).split('\n').filter((line) => line.includes(name));
  return own.join('\n') + (status === 0 || own.length > 0 ? '' : stderr);
}

function exposure(file: string): number {
  const said = execFileSync('systemd-analyze', ['security', '--offline=true', file], {
    encoding: 'utf8',
  });
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
}

const deployed = (name: string): string =>
  new URL(`../../deploy/systemd/${name}`, import.meta.url).pathname;

describe.each(SERVICES.map(unitName))('deploy/systemd/%s', (name) => {
  it('is right in the eyes of systemd, and exposes little', () => {
    const text = readFileSync(deployed(name), 'utf8');
    // It names a Node.js of a distribution, which may not be there.
    expect(verified(name, text.replace('/usr/bin/node', process.execPath))).toBe('');
    expect(exposure(deployed(name))).toBeLessThanOrEqual(2);
  });
});

describe('a unit', () => {
  it('says so where it is wrong: systemd is heard', () => {
    const text = readFileSync(deployed('tokenctl-monitor.service'), 'utf8');
    const wrong = text.replace('RestartSec=10', 'RestartSec=soon');
    expect(verified('tokenctl-monitor.service', wrong)).toContain('soon');
  });

  it('keeps words as they are, whatever is in them', () => {
    const options: UnitOptions = {
      service: 'monitor',
      scope: 'user',
      command: [process.execPath, '/a b/100 %n/$HOME/"q"/tokenctl.js', 'monitor'],
      databaseFile: null,
      environment: { XDG_DATA_HOME: '/data %h' },
    };
    const text = unitText(options);
    expect(text).toContain('"/a b/100 %%n/$$HOME/\\"q\\"/tokenctl.js" monitor\n');
    expect(text).toContain('Environment="XDG_DATA_HOME=/data %%h"\n');
    expect(verified('tokenctl-monitor.service', text)).toBe('');
  });
});

const folder = (): string => join(cli.home, 'config', 'systemd', 'user');
const unit = (): string => join(folder(), 'tokenctl-monitor.service');
const service = (...args: string[]) => cli.run(['service', ...args]);

describe('service install', () => {
  it('writes a unit that systemd takes, says what starts it, and does nothing a second time', async () => {
    const { code, stdout } = await service('install', '--user');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Wrote [^]*Runs [^]*Database [^]*Next:\n {2}-> systemctl --user daemon/,
    );
    expect(stdout).toContain('systemctl --user enable --now tokenctl-monitor.service');
    const text = readFileSync(unit(), 'utf8');
    expect(verified('tokenctl-monitor.service', text)).toBe('');
    // A service does not have the shell's environment.
    expect(text).toContain(`Environment=XDG_DATA_HOME=${join(cli.home, 'data')}\n`);
    expect((await service('install', '--user')).stdout).toMatch(/is there\s+as it should\s+be/);
    expect(readdirSync(folder())).toEqual(['tokenctl-monitor.service']);
  });

  it('replaces what tokenctl wrote, and what someone has changed only by force', async () => {
    await service('install', '--user');
    const other = await cli.run(['service', 'install', '--user', '--database', 'other.db']);
    expect(other.code).toBe(0);
    const written = readFileSync(unit(), 'utf8');
    expect(written).toContain(`--database file:${join(cli.home, 'other.db')}\n`);
    const own = written.replace('RestartSec=10', 'RestartSec=99');
    writeFileSync(unit(), own);
    for (const command of ['install', 'uninstall']) {
      const { code, stderr } = await service(command, '--user');
      expect(code).toBe(2);
      expect(stderr).toMatch(/was changed by someone.*\n {2}-> .*systemctl --user cat .*--force/);
      expect(readFileSync(unit(), 'utf8')).toBe(own);
    }
    expect((await service('install', '--user', '--force')).code).toBe(0);
    expect(readFileSync(unit(), 'utf8')).not.toContain('RestartSec=99');
  });

  it('puts no password into the unit, nor on the screen', async () => {
    const url = 'postgresql://ann:s3cret@db.example/budget';
    const args = ['service', 'install', '--user', '--dry-run', '--database', url];
    const { code, stdout, stderr } = await cli.run(args);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain('s3cret');
    expect(stdout).toMatch(/-> (sudo )?install -D -m 600 \/dev\/stdin \S+\/database-url\n/);
    expect(existsSync(folder())).toBe(false);
    const plan = await systemPlan({ database: url });
    expect(JSON.stringify(plan)).not.toContain('s3cret');
    expect(plan.databaseFile).toMatch(/\/database-url$/);
  });

  it.each([
    [{ database: 'file:x.db' }, /--database: a service of the system has a user of/],
    [{ config: '/home/ann/c.json' }, /\/home\/ann\/c\.json/],
  ])('of the system with %j is refused', async (options, message) => {
    await expect(systemPlan(options)).rejects.toThrow(message);
  });

  it('of the system is refused where it would not see tokenctl', async () => {
    await expect(systemPlan({}, '/home/ann/tokenctl/bin/tokenctl.js')).rejects.toThrow(
      '/home/ann/tokenctl/bin/tokenctl.js',
    );
  });

  it.each([
    [[], /whose service is it\?\n {2}-> add --user .* or --system/],
    [['--user', '--system'], /--user and --system are two services/],
    [
      ['--user', '--name', 'x'],
      /--name: there is no service "x"\n {2}-> write monitor or serve or/,
    ],
  ])('%j is refused, and nothing is written', async (args, message) => {
    const { code, stdout, stderr } = await service('install', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(existsSync(folder())).toBe(false);
  });
});

describe('a service', () => {
  it('is refused where there is no systemd', async () => {
    const host = { ...systemHost(), platform: 'darwin' };
    const context = { host, options: { color: false } } as CommandContext;
    await expect(servicePlan(context, { user: true })).rejects.toThrow(
      'service: systemd is a part of Linux, and this is darwin',
    );
  });

  it('whose file may not be written is said, and what to do', async () => {
    const bound = temporaryCli({ boundByModes: true });
    mkdirSync(join(bound.home, 'config'), { mode: 0o500 });
    const { code, stdout, stderr } = await bound.run(['service', 'install', '--user']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/tokenctl-monitor\.service can't be changed \(EACCES\)\n {2}-> /);
  });
});

describe('service uninstall', () => {
  it('removes the unit and the link that starts it, says what stops it, and is done once', async () => {
    await service('install', '--user');
    const wants = join(folder(), 'default.target.wants');
    mkdirSync(wants);
    symlinkSync(unit(), join(wants, 'tokenctl-monitor.service'));
    expect((await service('uninstall', '--user', '--dry-run')).stdout).toMatch(/^Would remove/);
    expect(existsSync(unit())).toBe(true);
    const { code, stdout } = await service('uninstall', '--user');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Removed [^]*-> systemctl --user stop tokenctl-monitor\.service\n/);
    expect([existsSync(unit()), readdirSync(wants)]).toEqual([false, []]);
    expect((await service('uninstall', '--user')).stdout).toMatch(/nothing\s+to\s+remove/);
  });
});

describe('service status', () => {
  it('tells what is installed and, of what systemd says, whether it is well', async () => {
    // Stands in for a running systemd, which a container has not: what systemctl show prints.
    const bin = join(cli.home, 'bin');
    const says = (active: string): void => {
      const lines = `ActiveState=${active}\\nSubState=x\\nUnitFileState=enabled\\nStatusText=a = b`;
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\nprintf '${lines}\\n'\n`, { mode: 0o755 });
    };
    const status = async () => {
      const PATH = `${bin}:${process.env['PATH'] ?? ''}`;
      return cli.run(['service', 'status', '--user', '--json'], { env: { PATH } });
    };
    says('inactive');
    const before = await status();
    expect(before.code).toBe(3);
    expect(JSON.parse(before.stdout)).toMatchObject({ installed: 'missing' });
    await service('install', '--user');
    says('active');
    const after = await status();
    expect(after.code).toBe(0);
    expect(JSON.parse(after.stdout)).toMatchObject({
      installed: 'current',
      systemd: { active: 'active', sub: 'x', enabled: 'enabled', says: 'a = b' },
    });
    says('activating');
    expect((await status()).code).toBe(3);
    writeFileSync(unit(), 'mine');
    expect(JSON.parse((await status()).stdout)).toMatchObject({ installed: 'changed' });
  });
});

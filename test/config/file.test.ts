import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, type Config } from '../../src/config/file.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

describe('configuration files', () => {
  let directory = '';
  beforeEach(() => {
    directory = temporaryDirectory();
    mkdirSync(join(directory, 'user'));
    mkdirSync(join(directory, 'system'));
  });

  function write(path: string, content: unknown): string {
    const file = join(directory, path);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }

  function load(named?: string): Promise<Config> {
    return loadConfig({
      named,
      directory,
      userDirectory: join(directory, 'user'),
      systemDirectory: join(directory, 'system'),
    });
  }

  it('may be missing', async () => {
    expect(await load()).toEqual({
      database: null,
      estimator: null,
      ...{ alertFile: null, alertFileMaxBytes: null, alertChannels: null, alertKinds: null },
    });
  });

  it("lets the user's win over the system's, key by key", async () => {
    const user = write('user/config.json', { database: 'file:user.db' });
    write('system/config.json', { database: 'file:system.db', estimator: 'bytes' });
    expect(await load()).toEqual({
      database: { database: 'file:user.db', file: user },
      estimator: 'bytes',
      ...{ alertFile: null, alertFileMaxBytes: null, alertChannels: null, alertKinds: null },
    });
  });

  it('put the alert log beside the file that names it', async () => {
    write('user/config.json', { alerts: { file: 'log/alerts.json' } });
    expect((await load()).alertFile).toBe(join(directory, 'user/log/alerts.json'));
  });

  it('reads only the file that was named', async () => {
    write('user/config.json', { estimator: 'bytes' });
    const file = write('own.json', { database: 'x.db' });
    expect(await load('own.json')).toEqual({
      database: { database: 'x.db', file },
      estimator: null,
      ...{ alertFile: null, alertFileMaxBytes: null, alertChannels: null, alertKinds: null },
    });
    await expect(load('none.json')).rejects.toMatchObject({ field: '--config' });
  });

  it.each([
    [{ databse: 'x' }, /has no key "databse"/],
    [{ estimator: 'guess' }, /estimator in .*config.json: must be one of words, calibrated, bytes/],
    [{ database: 1 }, /database in .*config.json: must be text/],
    [{ alerts: 'x' }, /alerts in .*config.json: must be an object/],
    [{ alerts: { maxFileBytes: 65_535 } }, /alerts\.maxFileBytes in .*: .* at least 65536/],
    [{ alerts: { maxFileBytes: '1 MiB' } }, /alerts\.maxFileBytes in .*: must be a whole number/],
    [[], /must be an object/],
    ['{', /is not JSON/],
  ])('refuses %j', async (content, message) => {
    write('user/config.json', content);
    await expect(load()).rejects.toThrow(message);
  });
});

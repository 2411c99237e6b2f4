import { describe, expect, it } from 'vitest';
import { parseChannels, type ChannelSettings } from '../../src/config/alert-channels.ts';

const FILES: Readonly<Record<string, string>> = {
  '/etc/tokenctl/hook-secret': 'beside\n',
  '/run/credentials/hook-secret': 'credential\n',
  '/etc/tokenctl/empty': '\n',
};

function parse(channels: unknown[], environment: Record<string, string> = {}): ChannelSettings[] {
  return parseChannels({
    ...{ channels, file: '/etc/tokenctl/config.json', environment },
    readSecret: (path) => FILES[path] ?? null,
  });
}

const hook = { type: 'webhook', name: 'hook', url: 'https://example.com/hook' };
const slack = { type: 'slack', name: 'slack', url: { env: 'SLACK' } };
const mail = { type: 'email', name: 'mail', smtp: 'smtp://mail', from: 'a@b.c', to: 'd@e.f' };
const SLACK = { SLACK: 'https://hooks.slack.com/services/secret-part' };

describe('alert channels', () => {
  it('have their usual settings where none are named', () => {
    expect(parse([hook, slack, mail], SLACK)).toMatchObject([
      {
        ...{ type: 'webhook', name: 'hook', format: 'standard', secret: null, template: null },
        ...{ minLevel: 'warning', kinds: null, quietHours: null, allowPrivate: [] },
      },
      { type: 'slack', url: new URL(SLACK.SLACK) },
      { type: 'email', from: 'a@b.c', to: ['d@e.f'] },
    ]);
  });

  it("take a secret from systemd's credentials before a file beside the configuration", () => {
    const secret = { file: 'hook-secret' };
    expect(parse([{ ...hook, secret }])).toMatchObject([{ secret: 'beside' }]);
    const environment = { CREDENTIALS_DIRECTORY: '/run/credentials' };
    expect(parse([{ ...hook, secret }], environment)).toMatchObject([{ secret: 'credential' }]);
  });

  it.each<[unknown, string, RegExp]>([
    [null, 'type', /must be one of webhook, slack, email/],
    [{ ...hook, type: 'fax' }, 'type', /must be one of/],
    [{ ...hook, name: undefined }, 'name', /is needed/],
    [{ ...hook, name: 'file' }, 'name', /neither console nor file/],
    [{ ...hook, url: 'example' }, 'url', /is no URL/],
    [{ ...hook, url: 'ftp://example.com' }, 'url', /must begin with https/],
    [{ ...hook, url: 'http://example.com' }, 'url', /must be https/],
    [{ ...hook, url: 'https://u:secret-part@example.com' }, 'url', /holds a user or password/],
    [{ ...hook, url: 7 }, 'url', /./],
    [{ ...hook, secret: 'secret-part' }, 'secret', /./],
    [{ ...hook, secret: { file: 'none' } }, 'secret', /there is no file/],
    [{ ...hook, secret: { file: 'empty' } }, 'secret', /is empty/],
    [{ ...hook, minLevel: 'loud' }, 'minLevel', /must be one of warning, critical, emergency/],
    [{ ...hook, kinds: ['rain'] }, 'kinds.0', /must be one of/],
    [{ ...hook, quietHours: { from: '9', to: '10:00' } }, 'quietHours.from', /time of day/],
    [{ ...hook, format: 'alertmanager', template: {} }, 'template', /stands beside format/],
    [{ ...hook, template: {}, digestMinutes: 10 }, 'digestMinutes', /stands beside template/],
    [{ ...hook, digestMinutes: 0 }, 'digestMinutes', /must be a whole number from 1 to 1440/],
    [{ ...hook, digestMinutes: 1_441 }, 'digestMinutes', /must be a whole number from 1 to 1440/],
    [{ ...hook, digestMinutes: 1.5 }, 'digestMinutes', /must be a whole number from 1 to 1440/],
    [{ ...hook, digestMinutes: '10' }, 'digestMinutes', /must be a number/],
    [{ ...slack, url: 'https://hooks.slack.com/secret-part' }, 'url', /must be an object|is not/],
    [{ ...slack, url: { env: 'NONE' } }, 'url', /the environment has no NONE/],
    [{ ...mail, smtp: 'smtp://u:secret-part@mail' }, 'smtp', /holds a password/],
    [{ ...mail, smtp: 'smtp://mail/?logger=true' }, 'smtp', /has more than a user/],
    [{ ...mail, smtp: 'mail' }, 'smtp', /is no URL/],
    [{ ...mail, to: 'nobody' }, 'to', /is no mail address/],
    [{ ...mail, to: [] }, 'to', /names nobody/],
    [{ ...mail, from: 'a@b.c\r\nBcc: x@y.z' }, 'from', /is no mail address/],
  ])('%j is refused, naming the key and no secret', (channel, key, problem) => {
    try {
      parse([channel], SLACK);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'invalid_input',
        field: `alerts.channels[0].${key} in /etc/tokenctl/config.json`,
        message: expect.stringMatching(problem) as string,
      });
      expect(JSON.stringify(error) + String(error)).not.toContain('secret-part');
    }
  });

  it('refuse a key that there is none of, and a name that is there twice', () => {
    expect(() => parse([{ ...hook, colour: 'red' }])).toThrow(/has no key "colour"/);
    expect(() => parse([hook, { ...mail, name: 'hook' }])).toThrow(
      /alerts\.channels\[1\]\.name .*"hook" is the name of alerts\.channels\[0\]/,
    );
  });
});

import { expect, it } from 'vitest';
import { TokenctlError } from '../../src/budget/errors.ts';
import { Reach } from '../../src/ledger/reach.ts';

function watched() {
  const told: string[] = [];
  const reach = new Reach();
  reach.watch({ lost: (why) => told.push(why), answersAgain: () => told.push('again') });
  return { reach, told };
}

it('a database that does not answer is told once, and once that it answers again', () => {
  const { reach, told } = watched();
  reach.answered('read');
  reach.failed('read', 'lost', 'gone');
  reach.failed('read', 'lost', 'still gone');
  reach.failed('write', 'lost', 'still gone');
  reach.answered('read');
  reach.answered('write');
  expect(told).toEqual(['gone', 'again']);
});

it.each(['busy', 'unusable'] as const)(
  'a write that failed as %s is not over because a read is answered',
  (kind) => {
    const { reach, told } = watched();
    reach.failed('read', 'lost', 'gone');
    reach.failed('write', kind, 'locked');
    reach.answered('read');
    reach.failed('write', kind, 'locked');
    expect(told).toEqual(['gone']);
    reach.answered('write');
    expect(told).toEqual(['gone', 'again']);
  },
);

it('what is refused for its content says nothing of the database', () => {
  const { reach, told } = watched();
  reach.refused(new TokenctlError('alert_not_found', 'there is no such alert'));
  reach.refused(new TokenctlError('ledger_busy', 'too many wait'));
  expect(told).toEqual([]);
  reach.refused(new TokenctlError('database_not_migrated', 'it must be migrated'));
  expect(told).toEqual(['it must be migrated']);
});

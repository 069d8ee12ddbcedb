import { expect, it } from 'vitest';
import { databaseTrouble } from './database-trouble.js';

const coded = (code: string, message = 'why'): Error => Object.assign(new Error(message), { code });

it.each([
  ['a refused connection', coded('ECONNREFUSED'), 'unreachable'],
  ['a server that shuts down', coded('57P01'), 'unreachable'],
  ['a server that recovers', coded('57P03'), 'unreachable'],
  ['a broken connection, in the words of the driver', new Error('Connection terminated unexpectedly'), 'unreachable'],
  ['a silent server', new Error('Query read timeout'), 'unreachable'],
  ['no free connection in time', new Error('timeout exceeded when trying to connect'), 'unreachable'],
  ['too many connections', coded('53300'), 'unreachable'],
  ['a read-only session', coded('25006'), 'read-only'],
  ['a full disk', coded('53100'), 'full'],
  ['the cause of another error', new Error('It failed.', { cause: coded('53100') }), 'full'],
])('%s is trouble of the database', (_what, error, kind) => {
  expect(databaseTrouble(error)).toMatchObject({ kind });
});

it.each([
  ['a broken rule of a table', coded('23505', 'duplicate key value')],
  ['a mistake in a statement', coded('42601')],
  ['an error of ours', new Error('Rollout a could not be assessed')],
  ['what is no error', 'ECONNREFUSED'],
])('%s is not', (_what, error) => {
  expect(databaseTrouble(error)).toBeUndefined();
});

it('says what happened and what to do', () => {
  const message = 'could not extend file: No space left on device';
  expect(databaseTrouble(coded('53100', message))?.message).toBe(
    `The database has no room left (${message}): free space on its disk.`,
  );
});

import type { Command } from 'commander';
import { Option } from 'commander';
import { Role } from '#libs/contracts';
import { renderTokens } from '../render/tokens.js';
import type { Invocation } from '../invocation.js';
import { showTime } from '../format.js';
import { integer } from './arguments.js';

const addCreate = (token: Command, invocation: Invocation): void => {
  token
    .command('create <subject>')
    .summary('make a token and print its secret, once')
    .description('Makes a token. The secret is printed on stdout, alone, and never again: only its hash is kept.')
    .addOption(new Option('--role <role>', 'what it may do').choices(Role.options).makeOptionMandatory())
    .option('--expires-in-days <number>', 'by default it does not expire', integer(1, 3_650))
    .action(async (subject: string, flags: { role: Role; expiresInDays?: number }) => {
      const { role, expiresInDays } = flags;
      const created = await invocation.client.createToken({
        subject,
        role,
        ...(expiresInDays === undefined ? {} : { expiresInDays }),
      });
      invocation.print({ data: created, text: () => created.secret, names: [`token/${created.id}`] });
      const end =
        created.expiresAt === null
          ? 'does not expire'
          : `expires ${showTime(created.expiresAt, invocation.terminal.zone)}`;
      invocation.note(
        `token ${created.id} for ${created.subject} as ${created.role}; ${end}; its secret is not shown again`,
      );
    });
};

const addList = (token: Command, invocation: Invocation): void => {
  token
    .command('list')
    .description('Lists all tokens, without their secrets.')
    .action(async () => {
      const items = await invocation.client.tokens();
      invocation.print({
        data: { items },
        text: (look) => renderTokens(items, look),
        names: items.map(({ id }) => `token/${id}`),
      });
    });
};

const addRevoke = (token: Command, invocation: Invocation): void => {
  token
    .command('revoke <id>')
    .description('Revokes a token at once and for ever. In a terminal it asks first; --yes answers.')
    .action(async (reference: string) => {
      const id = reference.replace(/^tokens?\//, '');
      await invocation.confirm(`Revoke token ${id} for ever?`);
      await invocation.client.revokeToken(id);
      invocation.print({ data: { id, revoked: true }, text: () => `token ${id} is revoked`, names: [`token/${id}`] });
    });
};

/** token create, list, revoke. */
export const addTokenCommands = (program: Command, invocation: Invocation): void => {
  const token = program
    .command('token')
    .summary('make, list and revoke tokens (admin)')
    .description('Manages tokens; takes the role admin.');
  addCreate(token, invocation);
  addList(token, invocation);
  addRevoke(token, invocation);
};

import { createHash, randomBytes } from 'node:crypto';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { accept, reject, unreachable, type Decision } from '#libs/kernel';
import type { AccessEvent } from '#libs/domain';
import type { CommandContext } from './context.js';
import { CommandRunner, type Outcome } from './runner.js';

export type TokenRole = 'admin' | 'operator' | 'viewer' | 'investigator' | 'service';

export type ExactRead = Extract<AccessEvent, { type: 'ExactCellsRead' }>['data'];

type Access = { readonly tokens: Readonly<Record<string, 'active' | 'revoked'>> };
type AccessCommand =
  | ({ readonly type: 'IssueToken' } & Extract<AccessEvent, { type: 'TokenIssued' }>['data'])
  | { readonly type: 'RevokeToken'; readonly token: string }
  | ({ readonly type: 'RecordExactRead' } & ExactRead);

const accessDecider = {
  initial: { tokens: {} } as Access,
  decide: (state: Access, command: AccessCommand): Decision<AccessEvent> => {
    switch (command.type) {
      case 'IssueToken': {
        const { type: _, ...data } = command;
        return accept<AccessEvent>({ type: 'TokenIssued', data });
      }
      case 'RevokeToken':
        if (state.tokens[command.token] === undefined)
          return reject('token-not-found', `There is no token ${command.token}. List them: headgate token list`);
        return state.tokens[command.token] === 'revoked'
          ? accept()
          : accept<AccessEvent>({ type: 'TokenRevoked', data: { token: command.token } });
      case 'RecordExactRead': {
        const { type: _, ...data } = command;
        return accept<AccessEvent>({ type: 'ExactCellsRead', data });
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state: Access, event: AccessEvent): Access =>
    event.type === 'ExactCellsRead'
      ? state
      : { tokens: { ...state.tokens, [event.data.token]: event.type === 'TokenIssued' ? 'active' : 'revoked' } },
};

/** Subjects may hold any character; stream names may not. */
const accessStream = (subject: string): string =>
  `access-${createHash('sha256').update(subject).digest('hex').slice(0, 32)}`;

export const hashToken = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** A secret with 256 random bits that says what it is. */
export const newSecret = (role: TokenRole): string => `hg_${role}_${randomBytes(32).toString('base64url')}`;

export class IssueTokenCommand extends Command<Outcome> {
  constructor(
    readonly token: {
      readonly subject: string;
      readonly role: TokenRole;
      readonly secret: string;
      readonly expiresAt: string | null;
    },
    readonly context: CommandContext,
  ) {
    super();
  }
}

export class RevokeTokenCommand extends Command<Outcome> {
  constructor(
    readonly subject: string,
    readonly token: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(IssueTokenCommand)
export class IssueTokenHandler implements ICommandHandler<IssueTokenCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ token, context }: IssueTokenCommand): Promise<Outcome> {
    const { subject, role, secret, expiresAt } = token;
    return this.runner.run('IssueToken', context, async (session) => {
      const id = this.runner.newId();
      const stream = accessStream(subject);
      const { state } = await session.load(accessDecider, stream);
      session.decide(accessDecider, stream, state, {
        type: 'IssueToken',
        token: id,
        subject,
        role,
        hash: hashToken(secret),
        last4: secret.slice(-4),
        expiresAt,
      });
      return { token: id };
    });
  }
}

@CommandHandler(RevokeTokenCommand)
export class RevokeTokenHandler implements ICommandHandler<RevokeTokenCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ subject, token, context }: RevokeTokenCommand): Promise<Outcome> {
    return this.runner.run('RevokeToken', context, async (session) => {
      const { state } = await session.load(accessDecider, accessStream(subject));
      session.decide(accessDecider, accessStream(subject), state, { type: 'RevokeToken', token });
      return { token };
    });
  }
}

export class RecordExactReadCommand extends Command<Outcome> {
  constructor(
    readonly read: ExactRead,
    readonly context: CommandContext,
  ) {
    super();
  }
}

/** Before exact counts are shown, that they are is in the log. */
@CommandHandler(RecordExactReadCommand)
export class RecordExactReadHandler implements ICommandHandler<RecordExactReadCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ read, context }: RecordExactReadCommand): Promise<Outcome> {
    return this.runner.run('RecordExactRead', context, async (session) => {
      const stream = accessStream(read.subject);
      const { state } = await session.load(accessDecider, stream);
      session.decide(accessDecider, stream, state, { type: 'RecordExactRead', ...read });
      return { subject: read.subject };
    });
  }
}

import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { IssueTokenCommand, LiveView, newSecret, RevokeTokenCommand, type Token } from '#libs/application';
import { CreatedToken, CreateTokenRequest, TokenView } from '#libs/contracts';
import { Clock } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { accepted, contextOf } from './command-context.js';
import { ProblemError } from './problem.js';

const DAY_MS = 86_400_000;
const TokenList = z.object({ items: z.array(TokenView) }).meta({ id: 'TokenList' });

@ApiTags('access')
@ApiBearerAuth()
@Controller('v1/tokens')
@Needs('admin')
export class TokensController {
  constructor(
    private readonly commands: CommandBus,
    private readonly view: LiveView,
    private readonly clock: Clock,
  ) {}

  /** Issues a token. Its secret is in this answer and nowhere else. */
  @Post()
  @ApiCreatedResponse({ standardSchema: CreatedToken })
  async create(
    @Body({ schema: CreateTokenRequest }) body: z.output<typeof CreateTokenRequest>,
    @Req() request: Caller,
  ): Promise<z.output<typeof CreatedToken>> {
    const { subject, role, expiresInDays } = body;
    const secret = newSecret(role);
    const expiresAt =
      expiresInDays === undefined ? null : new Date(this.clock.now() + expiresInDays * DAY_MS).toISOString();
    const outcome = accepted(
      await this.commands.execute(
        new IssueTokenCommand({ subject, role, secret, expiresAt }, contextOf(request, body)),
      ),
    );
    if (outcome.repeated) {
      throw new ProblemError(
        'token-already-issued',
        'A token was issued for this idempotency key before, and its secret is shown only once: revoke it and create another.',
      );
    }
    await this.view.caughtUpWith(outcome.lastPosition);
    return { id: String(outcome.outcome['token']), subject, role, secret, expiresAt };
  }

  @Get()
  @ApiOkResponse({ standardSchema: TokenList })
  list(): z.output<typeof TokenList> {
    return { items: [...this.view.tokens] };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiNoContentResponse()
  async revoke(@Param('id') id: string, @Req() request: Caller): Promise<void> {
    const token = this.view.tokens.find((candidate) => candidate.id === id);
    if (!token) throw new ProblemError('token-not-found', `There is no token ${id}. List them: headgate token list`);
    if (token.role === 'admin' && !this.view.tokens.some((other) => other.id !== id && this.isUsableAdmin(other))) {
      throw new ProblemError(
        'last-admin',
        'This is the last admin token: create another one first, or nobody could issue tokens any more.',
      );
    }
    const outcome = accepted(
      await this.commands.execute(new RevokeTokenCommand(token.subject, id, contextOf(request, null))),
    );
    await this.view.caughtUpWith(outcome.lastPosition);
  }

  private isUsableAdmin({ role, revokedAt, expiresAt }: Token): boolean {
    return role === 'admin' && revokedAt === null && (expiresAt === null || Date.parse(expiresAt) > this.clock.now());
  }
}

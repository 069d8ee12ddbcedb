import { Controller, Get, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { WhoAmI } from '#libs/contracts';
import { Needs, type Caller } from './auth.js';
import { ProblemError } from './problem.js';

@ApiTags('access')
@ApiBearerAuth()
@Controller('v1')
export class WhoAmIController {
  /** Whose token it is, and what it may do. */
  @Get('whoami')
  @Needs('anybody')
  @ApiOkResponse({ standardSchema: WhoAmI })
  show(@Req() { caller }: Caller): WhoAmI {
    if (!caller) throw new ProblemError('unauthenticated', 'This needs a token.');
    return { subject: caller.subject, role: caller.role, expiresAt: caller.expiresAt };
  }
}

import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { SourceList } from '#libs/contracts';
import { Needs } from './auth.js';
import { SourceBoard } from './source-board.js';

@ApiTags('evidence')
@ApiBearerAuth()
@Controller('v1/sources')
@Needs('viewer')
export class SourcesController {
  constructor(private readonly board: SourceBoard) {}

  /** How the sources are that Headgate asks: what was counted, how far each is behind, and what is wrong. */
  @Get()
  @ApiOkResponse({ standardSchema: SourceList })
  async list(): Promise<SourceList> {
    return { items: [...(await this.board.list())] };
  }
}

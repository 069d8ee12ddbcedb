import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { boardView, Delivery, LiveView, ProgressBoard, Undelivered } from '#libs/application';
import { BoardView } from '#libs/contracts';
import { Clock } from '#libs/kernel';
import { Needs } from './auth.js';

@ApiTags('board')
@ApiBearerAuth()
@Controller('v1')
@Needs('viewer')
export class BoardController {
  constructor(
    private readonly view: LiveView,
    private readonly board: ProgressBoard,
    private readonly delivery: Delivery,
    private readonly undelivered: Undelivered,
    private readonly clock: Clock,
  ) {}

  /** What moves, what waits for a person, and what every target is to serve. */
  @Get('board')
  @ApiOkResponse({ standardSchema: BoardView })
  show(): Promise<BoardView> {
    const { board, delivery, undelivered } = this;
    return boardView(this.view, { board, delivery, undelivered, now: this.clock.now() });
  }
}

import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { AddHookCommand, ChangeHookCommand, LiveView, type HookChange } from '#libs/application';
import { CreatedHook, CreateHookRequest, HOOK_TYPES, HookList, HookView } from '#libs/contracts';
import { Needs, type Caller } from './auth.js';
import { accepted, contextOf } from './command-context.js';
import { HookBoard } from './hook-board.js';
import { ProblemError } from './problem.js';

@ApiTags('hooks')
@ApiBearerAuth()
@Controller('v1/hooks')
@Needs('admin')
export class HooksController {
  constructor(
    private readonly commands: CommandBus,
    private readonly view: LiveView,
    private readonly board: HookBoard,
  ) {}

  /** Sends events from now on to an address. The secret is in this answer, and in that to a repetition under its key. */
  @Post()
  @ApiCreatedResponse({ standardSchema: CreatedHook })
  async add(
    @Body({ schema: CreateHookRequest }) body: z.output<typeof CreateHookRequest>,
    @Req() request: Caller,
  ): Promise<CreatedHook> {
    const refused = this.board.refused(body.url);
    if (refused !== undefined) throw ProblemError.of({ code: 'hook-url-refused', message: refused, field: '/url' });
    const { url, types = HOOK_TYPES, configs = [] } = body;
    const unknown = configs.find((config) => !this.view.fleet.configs.has(config));
    if (unknown !== undefined)
      throw ProblemError.of({
        code: 'config-not-found',
        message: `There is no config ${unknown}. Apply it first, or leave it out.`,
        field: `/configs/${configs.indexOf(unknown)}`,
      });
    const hook = { url, types: [...new Set(types)], configs: [...new Set(configs)], key: this.board.key() };
    const outcome = accepted(await this.commands.execute(new AddHookCommand(hook, contextOf(request, body))));
    await this.view.caughtUpWith(outcome.lastPosition);
    const id = String(outcome.outcome['hook']);
    const { key: _, ...told } = hook;
    return { id, ...told, secret: this.board.secretOf(id) };
  }

  @Get()
  @ApiOkResponse({ standardSchema: HookList })
  async list(): Promise<z.output<typeof HookList>> {
    return { items: [...(await this.board.list())] };
  }

  /** Sends again what was given up, and to a hook that was disabled. */
  @Post(':id/resume')
  @HttpCode(200)
  @ApiOkResponse({ standardSchema: HookView })
  async resume(@Param('id') id: string, @Req() request: Caller): Promise<z.output<typeof HookView>> {
    await this.change(id, { type: 'ResumeHook' }, request);
    const view = (await this.board.list()).find((hook) => hook.id === id);
    if (!view) throw new ProblemError('hook-not-found', `There is no hook ${id}. List them: headgate hooks`);
    return view;
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiNoContentResponse()
  async remove(@Param('id') id: string, @Req() request: Caller): Promise<void> {
    await this.change(id, { type: 'RemoveHook' }, request);
  }

  private async change(id: string, change: HookChange, request: Caller): Promise<void> {
    const outcome = accepted(
      await this.commands.execute(new ChangeHookCommand(id, change, contextOf(request, { change: change.type }))),
    );
    await this.view.caughtUpWith(outcome.lastPosition);
  }
}

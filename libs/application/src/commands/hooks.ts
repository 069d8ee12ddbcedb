import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { accept, reject, unreachable, type Decision } from '#libs/kernel';
import type { HookEvent } from '#libs/domain';
import type { CommandContext } from './context.js';
import { CommandRunner, type Outcome } from './runner.js';

type Hook = { readonly status: 'unknown' | 'on' | 'disabled' | 'removed' };
type Added = Extract<HookEvent, { type: 'HookAdded' }>['data'];

export type HookChange =
  | { readonly type: 'RemoveHook' }
  | { readonly type: 'DisableHook'; readonly reason: string }
  | { readonly type: 'ResumeHook' };

type HookCommand = { readonly hook: string } & (({ readonly type: 'AddHook' } & Added) | HookChange);

const STATUS = { HookAdded: 'on', HookRemoved: 'removed', HookDisabled: 'disabled', HookResumed: 'on' } as const;

const hookDecider = {
  initial: { status: 'unknown' } as Hook,
  decide: ({ status }: Hook, command: HookCommand): Decision<HookEvent> => {
    const { hook } = command;
    if (command.type === 'AddHook') {
      const { type: _, ...data } = command;
      return accept<HookEvent>({ type: 'HookAdded', data });
    }
    if (status === 'unknown' || (status === 'removed' && command.type !== 'RemoveHook'))
      return reject('hook-not-found', `There is no hook ${hook}. List them: headgate hooks`);
    switch (command.type) {
      case 'RemoveHook':
        return status === 'removed' ? accept() : accept<HookEvent>({ type: 'HookRemoved', data: { hook } });
      case 'DisableHook':
        return status === 'disabled'
          ? accept()
          : accept<HookEvent>({ type: 'HookDisabled', data: { hook, reason: command.reason } });
      case 'ResumeHook':
        return accept<HookEvent>({ type: 'HookResumed', data: { hook } });
      default:
        return unreachable(command);
    }
  },
  evolve: (_: Hook, event: HookEvent): Hook => ({ status: STATUS[event.type] }),
};

export class AddHookCommand extends Command<Outcome> {
  constructor(
    readonly hook: Omit<Added, 'hook'>,
    readonly context: CommandContext,
  ) {
    super();
  }
}

export class ChangeHookCommand extends Command<Outcome> {
  constructor(
    readonly hook: string,
    readonly change: HookChange,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(AddHookCommand)
export class AddHookHandler implements ICommandHandler<AddHookCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ hook: added, context }: AddHookCommand): Promise<Outcome> {
    return this.runner.run('AddHook', context, async (session) => {
      const hook = this.runner.newId();
      const { state } = await session.load(hookDecider, `hook-${hook}`);
      session.decide(hookDecider, `hook-${hook}`, state, { type: 'AddHook', hook, ...added });
      return { hook };
    });
  }
}

@CommandHandler(ChangeHookCommand)
export class ChangeHookHandler implements ICommandHandler<ChangeHookCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ hook, change, context }: ChangeHookCommand): Promise<Outcome> {
    return this.runner.run(change.type, context, async (session) => {
      const { state } = await session.load(hookDecider, `hook-${hook}`);
      session.decide(hookDecider, `hook-${hook}`, state, { hook, ...change });
      return { hook };
    });
  }
}

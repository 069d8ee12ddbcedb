import type { Command } from 'commander';
import { HOOK_TYPES } from '#libs/contracts';
import type { Invocation } from '../invocation.js';
import { renderHooks } from '../render/hooks.js';
import { several } from './arguments.js';

const idOf = (reference: string): string => reference.replace(/^hooks?\//, '');

type AddFlags = { readonly types?: string; readonly config?: readonly string[] };

const addAdd = (hooks: Command, invocation: Invocation): void => {
  hooks
    .command('add <url>')
    .summary('send events to an address from now on, and print what signs them, once')
    .description(
      `Sends events to an address from now on, as CloudEvents over Standard Webhooks. The secret that signs them is printed on stdout, alone, and never again.
Without --types the life of rollouts: ${HOOK_TYPES.join(', ')}.`,
    )
    .option('--types <types>', 'types of events, with commas between them')
    .option('--config <key>', 'only events of this config; may be given several times', several)
    .action(async (url: string, { types, config }: AddFlags) => {
      const added = await invocation.client.addHook({
        url,
        ...(types === undefined ? {} : { types: types.split(',').map((type) => type.trim()) }),
        ...(config === undefined ? {} : { configs: [...config] }),
      });
      invocation.print({ data: added, text: () => added.secret, names: [`hook/${added.id}`] });
      invocation.note(`hook ${added.id} sends to ${added.url}; its secret is not shown again`);
    });
};

const addChanges = (hooks: Command, invocation: Invocation): void => {
  hooks
    .command('remove <id>')
    .description('Sends nothing there any more; what waits is dropped. In a terminal it asks first; --yes answers.')
    .action(async (reference: string) => {
      const id = idOf(reference);
      await invocation.confirm(`Remove hook ${id}? What waits to be sent is dropped.`);
      await invocation.client.removeHook(id);
      invocation.print({ data: { id, removed: true }, text: () => `hook ${id} is removed`, names: [`hook/${id}`] });
    });
  hooks
    .command('resume <id>')
    .description('Sends to a hook again that was disabled, and what was given up; it goes on where it stopped.')
    .action(async (reference: string) => {
      const hook = await invocation.client.resumeHook(idOf(reference));
      invocation.print({
        data: hook,
        text: () => `hook ${hook.id} goes on; ${hook.waiting} events wait`,
        names: [`hook/${hook.id}`],
      });
    });
};

/** hooks; hooks add, remove, resume. */
export const addHookCommands = (program: Command, invocation: Invocation): void => {
  const hooks = program
    .command('hooks')
    .summary('where events are sent to, how far, and what is wrong (admin)')
    .description('Lists where events are sent to; the commands below change that. Takes the role admin.')
    .action(async () => {
      const items = await invocation.client.hooks();
      if (items.length === 0)
        invocation.note('events are sent nowhere yet: headgate hooks add URL (see headgate help hooks add)');
      invocation.print({
        data: { items },
        text: (look) => renderHooks(items, look),
        names: items.map(({ id }) => `hook/${id}`),
      });
    });
  addAdd(hooks, invocation);
  addChanges(hooks, invocation);
};

import type { HookView } from '#libs/contracts';
import { plain, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

const stateOf = ({ state }: HookView, { paint }: Look): string => (state === 'delivering' ? state : paint.red(state));

const behindOf = ({ waiting, dead }: HookView): string =>
  [...(waiting > 0 ? [`${waiting} waiting`] : []), ...(dead > 0 ? [`${dead} given up`] : [])].join(', ') || '-';

const deliveredOf = ({ delivered, deliveredAt }: HookView, { zone }: Look): string =>
  delivered === null ? '-' : solid(`#${delivered}${deliveredAt === null ? '' : ` ${showTime(deliveredAt, zone)}`}`);

const wrongWith = ({ error, failingSince }: HookView, { zone }: Look): string =>
  [
    ...(error === null ? [] : [plain(error)]),
    ...(failingSince === null ? [] : [`since ${solid(showTime(failingSince, zone))}`]),
  ].join(' ');

/** One line per hook; secrets are never shown again. */
export const renderHooks = (hooks: readonly HookView[], look: Look): string =>
  table(
    ['ID', 'URL', 'STATE', 'LAST DELIVERED', 'BEHIND BY', 'CONFIGS', 'WHAT IS WRONG'],
    hooks.map((hook) => [
      hook.id,
      plain(hook.url),
      stateOf(hook, look),
      deliveredOf(hook, look),
      behindOf(hook),
      hook.configs.length === 0 ? 'all' : plain(hook.configs.join(', ')),
      wrongWith(hook, look),
    ]),
    look,
    ['CONFIGS'],
  );

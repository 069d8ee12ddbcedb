import type { HeadgateClient } from './client.js';
import { usageError, type CliError } from './errors.js';
import { plain } from './format.js';
import { nearTo } from './near.js';
import { orUndefined } from './resolve.js';

const none = (kind: string, written: string, known: readonly string[]): CliError => {
  const near = nearTo(written, known);
  return usageError(`there is no ${kind} "${plain(written)}"`, {
    details: near.length > 0 ? [`did you mean ${near.join(', ')}?`] : [],
    next: 'see what there is: headgate at now',
  });
};

/**
 * Throws a usage error where a config or target that a filter names does not exist: that nothing was found would read as
 * if nothing had happened. Asked only once nothing was found.
 */
export const checkNamed = async (
  client: HeadgateClient,
  { config, target }: { readonly config?: string | undefined; readonly target?: string | undefined },
): Promise<void> => {
  if (config !== undefined && (await orUndefined(client.config(config))) === undefined) {
    const configs = (await client.configs()).map(({ key }) => key);
    throw none('config', config, configs);
  }
  if (target !== undefined && (await orUndefined(client.target(target))) === undefined) {
    const targets = (await client.targets()).map((each) => each.target);
    throw none('target', target, targets);
  }
};

import type { Command } from 'commander';
import { renderSources } from '../render/sources.js';
import type { Invocation } from '../invocation.js';

/** sources. */
export const addSourcesCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('sources')
    .summary('how the metrics systems are that Headgate asks')
    .description(
      'Lists the sources that Headgate asks by itself: until when each was counted, how far that is behind, and what is wrong.',
    )
    .action(async () => {
      const items = await invocation.client.sources();
      if (items.length === 0)
        invocation.note(
          'there is no source yet: write a manifest of kind Source, and apply it (headgate apply -f FILE)',
        );
      invocation.print({
        data: { items },
        text: (look) => renderSources(items, look),
        names: items.map(({ source }) => `source/${source}`),
      });
    });
};

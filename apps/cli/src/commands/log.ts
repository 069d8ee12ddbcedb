import { writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { ExportFormat } from '../client.js';
import { exportTo } from '../export-log.js';
import { plain, showTime } from '../format.js';
import type { Invocation } from '../invocation.js';
import { table } from '../look.js';
import { integer } from './arguments.js';
import { addLogArchive } from './log-archive.js';

const FORMATS: readonly ExportFormat[] = ['ndjson', 'csv', 'cloudevents'];

const addExport = (log: Command, invocation: Invocation): void => {
  log
    .command('export')
    .summary('all events: their exact bytes, as CSV, or as CloudEvents')
    .description(
      'Prints all events, one a line, or writes them into a file. Called again with the same file it goes on where that ' +
        'one ends. Only ndjson, the exact bytes, can be verified.',
    )
    .option('--out <file>', 'write here instead of stdout')
    .addOption(new Option('--format <format>', 'of each line').choices(FORMATS).default('ndjson'))
    .option('--after <position>', 'without --out: begin after this position', integer(0))
    .action(async ({ out, after = 0, format }: { out?: string; after?: number; format: ExportFormat }) => {
      const stop = new AbortController();
      const fetchAfter = (from: number) => invocation.client.exportLog(from, stop.signal, format);
      const silence = invocation.terminal.onInterrupt(() => stop.abort());
      try {
        if (out === undefined) {
          const decoder = new TextDecoder();
          for await (const chunk of await fetchAfter(after))
            invocation.terminal.out(decoder.decode(chunk, { stream: true }));
          return;
        }
        const done = await exportTo(out, format, fetchAfter);
        invocation.note(`${out}: ${done.added} bytes added, after position ${done.after}`);
      } finally {
        silence();
      }
    });
};

const addHead = (log: Command, invocation: Invocation): void => {
  log
    .command('head')
    .summary('the newest signed head')
    .description(
      'Prints the newest signed head of the log as a signed note. Keep it: who has it can tell later whether the log was altered.',
    )
    .option('--out <file>', 'write the note here instead')
    .action(async ({ out }: { out?: string }) => {
      const head = await invocation.client.logHead();
      if (out === undefined)
        invocation.print({ data: head, text: () => head.checkpoint, names: [`head/${head.size}`] });
      else writeFileSync(out, head.checkpoint);
      if (head.unsealedFrom !== null) invocation.note(`not sealed yet: from event ${head.unsealedFrom} on`);
      if (head.sealing.message !== null) invocation.note(head.sealing.message);
    });
};

const addKeys = (log: Command, invocation: Invocation): void => {
  log
    .command('keys')
    .summary('the public keys that sign the log')
    .description('Lists the public keys that sign the log, in the order in which they took over.')
    .option('--out <file>', 'write them here instead, as JSON')
    .action(async ({ out }: { out?: string }) => {
      const items = await invocation.client.logKeys();
      if (out !== undefined) {
        writeFileSync(out, `${JSON.stringify({ items }, null, 2)}\n`);
        return;
      }
      invocation.print({
        data: { items },
        text: (look) =>
          table(
            ['FROM', 'SINCE', 'VOUCHED FOR', 'PUBLIC KEY'],
            items.map(({ fromSize, madeAt, statement, publicKey }, n) => [
              String(fromSize + 1),
              showTime(madeAt, look.zone),
              statement === null ? (n === 0 ? 'first' : 'no') : 'yes',
              plain(publicKey),
            ]),
            look,
            ['SINCE'],
          ),
        names: items.map(({ id }) => `key/${id}`),
      });
    });
};

/** log export, head, keys. */
export const addLogCommands = (program: Command, invocation: Invocation): void => {
  const log = program
    .command('log')
    .summary('the log itself: export, signed head, keys, archive')
    .description('Takes out of a controller what it takes to verify the log elsewhere.');
  addExport(log, invocation);
  addHead(log, invocation);
  addKeys(log, invocation);
  addLogArchive(log, invocation);
};

import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { KeptView } from '../ports.js';
import { LiveView, type ViewEntry } from '../queries/live-view.js';

/** Characters of a part before it is packed: so much is made at once, in some milliseconds. */
const PART = 512 * 1024;
const FAST = 1;

const packed = promisify(gzip);
const unpacked = promisify(gunzip);

/** All that a view holds as it was when this was called, in packed parts that are made as they are asked for. */
export const packView = (view: LiveView): { readonly position: number; readonly parts: AsyncIterable<Buffer> } => {
  const { position, entries } = view.held();
  const parts = async function* parts(): AsyncGenerator<Buffer> {
    let lines: string[] = [];
    let size = 0;
    for (const entry of entries) {
      const line = JSON.stringify(entry);
      lines.push(line);
      size += line.length;
      if (size < PART) continue;
      // Whoever waits for this process is served while it is packed.
      yield await packed(`[${lines.join(',')}]`, { level: FAST });
      [lines, size] = [[], 0];
    }
    yield await packed(`[${lines.join(',')}]`, { level: FAST });
  };
  return { position, parts: parts() };
};

/** The view that was kept, as if every event up to its position had been folded. */
export const unpackView = async ({ position, parts, access }: KeptView): Promise<LiveView> => {
  const view = new LiveView();
  for await (const part of parts)
    for (const entry of JSON.parse((await unpacked(part)).toString()) as readonly ViewEntry[]) view.hold(entry);
  view.heldUpTo(position, await access());
  return view;
};

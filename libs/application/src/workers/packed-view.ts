import type { KeptView } from '../ports.js';
import { LiveView, type ViewEntry } from '../queries/live-view.js';

/** Characters of a part: so much is made at once, in some milliseconds. */
const PART = 512 * 1024;

/** All that a view holds as it was when this was called, in parts that are made as they are asked for. */
export const packView = (view: LiveView): { readonly position: number; readonly parts: Iterable<string> } => {
  const { position, entries } = view.held();
  const parts = function* parts(): Generator<string> {
    let lines: string[] = [];
    let size = 0;
    for (const entry of entries) {
      const line = JSON.stringify(entry);
      lines.push(line);
      size += line.length;
      if (size < PART) continue;
      yield `[${lines.join(',')}]`;
      [lines, size] = [[], 0];
    }
    yield `[${lines.join(',')}]`;
  };
  return { position, parts: parts() };
};

/** The view that was kept, as if every event up to its position had been folded. */
export const unpackView = async ({ position, parts, access }: KeptView): Promise<LiveView> => {
  const view = new LiveView();
  for await (const part of parts) for (const entry of JSON.parse(part) as readonly ViewEntry[]) view.hold(entry);
  view.heldUpTo(position, await access());
  return view;
};

import type { EventView } from './history.js';

/** An event and what it set off. */
export interface CauseTree {
  readonly event: EventView;
  readonly children: readonly CauseTree[];
}

type Node = { readonly event: EventView; readonly children: Node[] };

/**
 * Events under what set them off: the event that is named as their cause, else the first one of the same request or look.
 * What was set off by an event that is not among them stands by itself.
 */
export const treeOf = (events: readonly EventView[]): readonly CauseTree[] => {
  const nodes = new Map(events.map((event) => [event.eventId, { event, children: [] as Node[] }]));
  const firsts = new Map<string, Node>();
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const { causationId, correlationId } = node.event;
    const together = firsts.get(correlationId);
    const cause = causationId === null ? undefined : nodes.get(causationId);
    const parent = together ?? (cause === node ? undefined : cause);
    if (together === undefined && correlationId !== '') firsts.set(correlationId, node);
    (parent?.children ?? roots).push(node);
  }
  return roots;
};

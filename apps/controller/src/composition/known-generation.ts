import type { LiveView } from '#libs/application';
import type { EventStore } from '#libs/kernel';

/**
 * A fleet may have its ruleset from another controller, a moment before this one has folded what led to it. Comes back
 * once it is folded, or at once where the log does not reach that far.
 */
export const knowGeneration = async (generation: number, view: LiveView, store: EventStore): Promise<void> => {
  if (generation <= view.position || generation > (await store.head())) return;
  await view.caughtUpWith(generation);
};

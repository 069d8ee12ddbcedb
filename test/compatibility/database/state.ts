import { clientOf, type Door } from '#test/kit/http';

/** What a controller says of everything, apart from what differs from moment to moment without any event. */
export type State = {
  readonly at: unknown;
  readonly rollouts: readonly unknown[];
  readonly configs: readonly unknown[];
  readonly targets: readonly unknown[];
  readonly tokens: readonly unknown[];
  readonly history: { readonly length: number; readonly types: Readonly<Record<string, number>> };
};

/** Asks a controller that does no work (role `api`), so that all answers are about the same moment; `upTo` an event. */
export const stateOf = async (admin: Door, upTo = Number.POSITIVE_INFINITY): Promise<State> => {
  const client = clientOf(admin);
  const types: Record<string, number> = {};
  let length = 0;
  for await (const { type, position: now } of client.allEvents()) {
    if (now > upTo) break;
    types[type] = (types[type] ?? 0) + 1;
    length += 1;
  }
  const { position, targets } = await client.at({ position: length });
  return {
    at: { position, targets },
    rollouts: (await client.rollouts()).items,
    configs: await client.configs(),
    // Which instances are live depends on the clock.
    targets: (await client.targets()).map((target) => ({ ...target, instances: undefined })),
    tokens: await client.tokens(),
    history: { length, types: Object.fromEntries(Object.entries(types).toSorted()) },
  };
};

import type { RolloutView } from '#libs/contracts';
import type { HeadgateClient } from '../../apps/cli/src/client.js';
import { until } from './until.js';

/** Waits until a rollout has one of these statuses; when it does not come, says what the rollout waits for. */
export const reachesStatus = async (
  client: HeadgateClient,
  id: string,
  ...statuses: RolloutView['status'][]
): Promise<RolloutView> => {
  let seen: RolloutView | undefined;
  try {
    return await until(`rollout ${id} is ${statuses.join(' or ')}`, async () => {
      seen = await client.rollout(id);
      return statuses.includes(seen.status) ? seen : undefined;
    });
  } catch (error) {
    const { status, waitingFor, targets, version } = seen ?? {};
    throw new Error(`${String(error)}; it is ${JSON.stringify({ status, waitingFor, targets, version })}`, {
      cause: error,
    });
  }
};

import { clientOf } from './http.js';
import type { InProcess } from './in-process.js';
import { TARGETS, world } from './manifests.js';
import { reachesStatus } from './rollouts.js';
import { TinyFleet } from './tiny-fleet.js';
import { until } from './until.js';

const harm = { config: 'router.context', signal: 'script-errors' } as const;

/**
 * A rollout of a revision that does harm, from its start until it is taken back; gives its id. The fewer outcomes are bad
 * in each window, the more looks it takes.
 */
export const harmfulRollout = async (
  controller: InProcess,
  { candidate, control } = { candidate: 30, control: 5 },
  reason = 'for the test',
): Promise<string> => {
  const client = clientOf(controller.operator);
  await client.apply({ manifests: world(), reason: 'for the test' });
  const revised = world().filter(({ kind, metadata }) => kind === 'Config' && metadata.name === 'router.context');
  await client.apply({
    manifests: revised.map((each) => ({ ...each, spec: { ...each.spec, value: { window: 1_000_000 } } })),
    reason: 'a wider window',
  });
  const fleet = new TinyFleet(() => controller.service, TARGETS);
  fleet.faults = [
    { ...harm, revision: 2, perWindow: candidate },
    { ...harm, revision: 1, perWindow: control },
  ];
  fleet.start();
  await until('every target has traffic', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
  const { id } = await client.start({ config: 'router.context', plan: 'three-platforms', reason });
  await reachesStatus(client, id, 'rolled-back');
  await fleet.stop();
  return id;
};

import { momentsOf, type Rule } from './log.js';

/** How many of n are chosen at a share: the nearest whole number, but one at least, and one at least stays. */
const chosenOf = (n: number, shareBp: number): number =>
  Math.min(n - 1, Math.max(1, Math.floor((n * shareBp) / 10_000 + 0.5)));

/** Rule 8: k of N instances serve the candidate, exactly; whoever was chosen stays chosen, and nobody is on both arms. */
export const drawsAreExact: Rule = (history) =>
  momentsOf(history).flatMap(({ event, before, after }) => {
    if (event.type !== 'ExposureRequested' || event.data.instances === null) return [];
    const { target, shareBp, instances } = event.data;
    const what = `the draw on ${target} at ${event.position} of rollout ${after.id}`;
    const chosen = new Set(instances.candidate);
    const kept = before?.targets[target]?.wanted?.instances?.candidate ?? [];
    const fresh = chosen.size - kept.length;
    const others = fresh + instances.control.length;
    // Of those who were chosen before some may be away; who they were is in no event.
    const fits = Array.from({ length: kept.length + 1 }, (_, live) => live).some((live) => {
      const n = others + live;
      return n > 1 && fresh === Math.max(0, chosenOf(n, shareBp) - live);
    });
    return [
      ...(after.assignment === 'instance' ? [] : [`${what} is of a config that is not assigned by instance`]),
      ...kept.filter((name) => !chosen.has(name)).map((name) => `${what} lets ${name} go, which was chosen before`),
      ...instances.control.filter((name) => chosen.has(name)).map((name) => `${what} has ${name} on both arms`),
      ...(fits ? [] : [`${what} chooses ${fresh} more of ${others} beside ${kept.length} at ${shareBp} basis points`]),
    ];
  });

/** Rule 8: below everything and above nothing a config by instance is always drawn, and no other one is. */
export const instancesAreDrawn: Rule = (history) =>
  momentsOf(history).flatMap(({ event, after }) => {
    if (event.type !== 'ExposureRequested') return [];
    const { target, shareBp, instances } = event.data;
    const isDrawn = after.assignment === 'instance' && shareBp > 0 && shareBp < 10_000;
    return isDrawn === (instances !== null)
      ? []
      : [
          `${target} is asked for ${shareBp} basis points at ${event.position}, and ${isDrawn ? 'nothing' : 'something'} is drawn`,
        ];
  });

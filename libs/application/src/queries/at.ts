import { asHeadgateEvent, Fleet } from '#libs/domain';
import type { AtView } from '#libs/contracts';
import type { EventStore } from '#libs/kernel';

const PAGE = 5_000;

export type Moment = { readonly time: number } | { readonly position: number };

/** The fleet as the log desired it at a moment: everything recorded up to and including it, folded from the start. */
export const fleetAt = async (store: EventStore, moment: Moment): Promise<Fleet> => {
  const fleet = new Fleet();
  for (;;) {
    const page = await store.readAll({ after: fleet.position, limit: PAGE });
    for (const recorded of page) {
      const event = asHeadgateEvent(recorded);
      const late = 'time' in moment ? event.at > moment.time : event.position > moment.position;
      if (late) return fleet;
      fleet.apply(event);
    }
    if (page.length < PAGE) return fleet;
  }
};

type Filter = { readonly target?: string | undefined; readonly platform?: string | undefined };

/** What each target was desired to serve; `at` is null before the first event. */
export const atView = (fleet: Fleet, at: string | null, filter: Filter): AtView => ({
  at,
  position: fleet.position,
  targets: [...fleet.targets.values()]
    .filter(
      ({ target, platform, retired }) =>
        !retired && (filter.target ?? target) === target && (filter.platform ?? platform) === platform,
    )
    .map(({ target, platform, generation }) => ({
      target,
      platform,
      generation,
      configs: fleet.desired(target).map(({ config, control, candidate, shareBp, rollout }) => ({
        config,
        control,
        candidate,
        shareBp,
        rollout,
        value: (fleet.valueOf(config, control) ?? null) as AtView['targets'][number]['configs'][number]['value'],
        candidateValue: (candidate === null
          ? null
          : (fleet.valueOf(config, candidate) ?? null)) as AtView['targets'][number]['configs'][number]['value'],
      })),
    })),
});

import type { Fleet } from '#libs/domain';

/** What the whole log folds to, in the form of `GET /v1/at`: the answer that does not rest on what is kept beside the log. */
export const foldedAt = (fleet: Fleet): object => ({
  position: fleet.position,
  targets: [...fleet.targets.values()]
    .filter(({ retired }) => !retired)
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
        value: fleet.valueOf(config, control) ?? null,
        candidateValue: candidate === null ? null : (fleet.valueOf(config, candidate) ?? null),
      })),
    })),
});

import type { Manifest } from '#libs/contracts';
import type { KnownTarget } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import type { LiveView } from '../queries/live-view.js';

export type Driven = KnownTarget & { readonly driver: string; readonly settings: JsonObject };

/** Targets as they will be when these manifests are applied. */
export const targetsAfter = (view: LiveView, manifests: readonly Manifest[]): readonly Driven[] => {
  const given = manifests.flatMap((each): readonly Driven[] =>
    each.kind === 'Target'
      ? [{ ...each.spec, target: each.metadata.name, settings: each.spec.settings as JsonObject }]
      : [],
  );
  const names = new Set(given.map(({ target }) => target));
  return [
    ...[...view.fleet.targets.values()].filter(({ target, retired }) => !retired && !names.has(target)),
    ...given,
  ];
};

import type { Manifest } from '#libs/contracts';
import { planGaps, type PlanGap } from '#libs/domain';
import { signalsOf, targetsOf } from '../commands/prepare-rollout.js';
import type { LiveView } from './live-view.js';
import { armlessWarnings } from './source-warnings.js';

type Of<K extends Manifest['kind']> = Extract<Manifest, { kind: K }>;

const ofKind = <K extends Manifest['kind']>(manifests: readonly Manifest[], kind: K): readonly Of<K>[] =>
  manifests.filter((manifest): manifest is Of<K> => manifest.kind === kind);

/**
 * Plan → what it names that is registered neither in the log nor by these manifests, which may not be written (a dry
 * run), and which of its signals know no arms. Plans of which nothing is to be said are left out.
 */
export const planWarnings = (
  view: LiveView,
  manifests: readonly Manifest[],
): ReadonlyMap<string, readonly PlanGap[]> => {
  const signals = ofKind(manifests, 'Signal').map(({ metadata, spec }) => ({ ...spec, signal: metadata.name }));
  const targets = ofKind(manifests, 'Target').map(({ metadata, spec }) => ({ ...spec, target: metadata.name }));
  const catalogue = { signals: [...signalsOf(view), ...signals], targets: [...targetsOf(view), ...targets] };
  return new Map(
    ofKind(manifests, 'Plan')
      .map(
        ({ metadata, spec }) =>
          [
            metadata.name,
            [...planGaps(metadata.name, spec, catalogue), ...armlessWarnings(view, spec.signals, manifests)],
          ] as const,
      )
      .filter(([, gaps]) => gaps.length > 0),
  );
};

import { SignalManifest, type Manifest, type SignalSource } from '#libs/contracts';
import type { PlanGap } from '#libs/domain';
import type { LiveView } from './live-view.js';

type Of<K extends Manifest['kind']> = Extract<Manifest, { kind: K }>;

const ofKind = <K extends Manifest['kind']>(manifests: readonly Manifest[], kind: K): readonly Of<K>[] =>
  manifests.filter((manifest): manifest is Of<K> => manifest.kind === kind);

const PLATFORMS: Readonly<Record<string, string>> = {
  cloudwatch: 'CloudWatch',
  'cloud-monitoring': 'Cloud Monitoring',
};

/** What a platform counts knows no arms, unless each has an id of its own there. */
const armlessWords = (signal: string, source: SignalSource | undefined): string | undefined => {
  if (source?.type !== 'cloudwatch' && source?.type !== 'cloud-monitoring') return undefined;
  return source.arms === undefined
    ? `Signal ${signal} is counted by ${PLATFORMS[source.type]}, which does not know the arms: it tells what was before the change from what comes after it, and it can break its limit, but nothing is compared with control. Give each revision an id of its own there (arms), or rely on another signal`
    : undefined;
};

const sourceOf = (view: LiveView, signal: string): SignalSource | undefined =>
  SignalManifest.shape.spec.safeParse(view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value).data?.source;

/** What a plan with these signals should know of what counts them; `field` is the place in its manifest. */
export const armlessWarnings = (
  view: LiveView,
  signals: readonly { readonly signal: string }[],
  manifests: readonly Manifest[] = [],
): readonly PlanGap[] => {
  const given = new Map(ofKind(manifests, 'Signal').map(({ metadata, spec }) => [metadata.name, spec] as const));
  return signals.flatMap(({ signal }, index) => {
    const spec = given.get(signal);
    const message = armlessWords(signal, spec ? spec.source : sourceOf(view, signal));
    return message === undefined ? [] : [{ field: `/spec/signals/${index}/signal`, message }];
  });
};

/**
 * Signal → what is wrong with the source that it names: not registered, neither in the log nor by these manifests, or of
 * another type. It can be applied, since the source may come later, but nothing is counted until then.
 */
export const signalWarnings = (
  view: LiveView,
  manifests: readonly Manifest[],
): ReadonlyMap<string, readonly PlanGap[]> => {
  const given = new Map(ofKind(manifests, 'Source').map(({ metadata, spec }) => [metadata.name, spec.type] as const));
  const typeOf = (source: string): unknown =>
    given.get(source) ?? view.fleet.configs.get(`source/${source}`)?.revisions.at(-1)?.value['type'];
  return new Map(
    ofKind(manifests, 'Signal').flatMap(({ metadata, spec }): readonly (readonly [string, readonly PlanGap[]])[] => {
      const { source } = spec;
      if (source === undefined || source.type === 'otlp') return [];
      const type = typeOf(source.from);
      if (type === source.type) return [];
      const what = `Signal ${metadata.name} is asked of source ${source.from}, which is`;
      const message =
        type === undefined
          ? `${what} not registered: apply its manifest, as nothing is counted until then`
          : `${what} of type ${String(type)}: name a source of type ${source.type}, as nothing is counted until then`;
      return [[metadata.name, [{ field: '/spec/source/from', message }]]];
    }),
  );
};

import type { OpenChange, OpenChanges } from '#libs/contracts';
import { rolloutSubject, type Past, type PastRow, type PastSpan, type When } from '../past.js';
import { WITHOUT_END } from './at.js';
import type { LiveView } from './live-view.js';

const MOST = 200;

export type OpenAsked = {
  /** Epoch ms. */
  readonly at: number;
  /** How long before it a rollout may have ended, in milliseconds. */
  readonly lookBackMs: number;
  readonly config?: string | undefined;
  readonly target?: string | undefined;
  readonly platform?: string | undefined;
};

const iso = (ms: number): string => new Date(ms).toISOString();

const targetsOf = (view: LiveView, { target, platform }: OpenAsked): readonly string[] | null => {
  if (target === undefined && platform === undefined) return null;
  return [...view.fleet.targets.values()]
    .filter((known) => (target ?? known.target) === known.target && (platform ?? known.platform) === known.platform)
    .map((known) => known.target);
};

const changeThen = (
  view: LiveView,
  span: PastSpan,
  rows: ReadonlyMap<string, PastRow>,
  { at, targets }: { readonly at: number; readonly targets: readonly string[] | null },
): OpenChange => {
  const { rollout, config, revision, plan, actor, reason, bypass, reverts } = span;
  const row = (aspect: string): PastRow | undefined => rows.get(`${rolloutSubject(rollout)} ${aspect}`);
  const stands = row('state')?.stands;
  const held = stands?.['held'] as { readonly by: string; readonly reason: string } | null | undefined;
  return {
    rollout,
    config,
    revision,
    plan,
    status: String(stands?.['status'] ?? 'staging'),
    held: held ?? null,
    startedAt: iso(span.startedAt),
    endedAt: span.endedAt === null || span.endedAt > at ? null : iso(span.endedAt),
    actor,
    reason,
    bypass,
    reverts,
    exposures: span.targets
      .filter((target) => targets?.includes(target) ?? true)
      .flatMap((target) => {
        const exposure = row(`exposure/${target}`);
        if (exposure === undefined) return [];
        const platform = view.fleet.targets.get(target)?.platform ?? '';
        return [{ target, platform, shareBp: Number(exposure.stands?.['shareBp']), since: iso(exposure.at) }];
      }),
  };
};

/** What was in flight, watched, or had lately ended on a slice at a moment, as it was then; newest first. */
export const openChanges = async (past: Past, view: LiveView, asked: OpenAsked): Promise<OpenChanges> => {
  const { at, lookBackMs } = asked;
  const targets = targetsOf(view, asked);
  const since = at - lookBackMs;
  const config = asked.config ?? null;
  const spans = await past.spans({ from: since, until: at, config, targets, limit: MOST + 1 });
  const shown = spans.slice(0, MOST);
  const when: When = { at, known: at, position: WITHOUT_END };
  const aspects = [...new Set(shown.flatMap((span) => span.targets))].map((target) => `exposure/${target}`);
  const rows = await past.standing(
    shown.map(({ rollout }) => rolloutSubject(rollout)),
    ['state', ...aspects.filter((aspect) => targets?.includes(aspect.slice('exposure/'.length)) ?? true)],
    when,
  );
  const known = new Map(rows.map((row) => [`${row.subject} ${row.aspect}`, row]));
  return {
    at: iso(at),
    since: iso(since),
    items: shown.map((span) => changeThen(view, span, known, { at, targets })),
    more: spans.length > MOST,
  };
};

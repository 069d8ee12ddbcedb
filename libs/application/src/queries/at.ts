import { isServed } from '#libs/domain';
import type { AtView } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { targetSubject, type Past, type PastRow, type When } from '../past.js';
import type { LiveView } from './live-view.js';

type TargetAt = AtView['targets'][number];
type ConfigAt = TargetAt['configs'][number];

export type AtAsked = {
  readonly when: When;
  /** What the answer calls the moment. */
  readonly at: string | null;
  /** Null: everything that is known now. */
  readonly knownAt: string | null;
  readonly target?: string | undefined;
  readonly platform?: string | undefined;
  readonly config?: string | undefined;
  /** Each instance by itself as well. */
  readonly instances?: boolean | undefined;
};

/** No time and no position is greater. */
export const WITHOUT_END = Number.MAX_SAFE_INTEGER;

const iso = (ms: number): string => new Date(ms).toISOString();

/** Rows by subject and aspect. */
class Standing {
  readonly #rows: ReadonlyMap<string, PastRow>;

  constructor(rows: readonly PastRow[]) {
    this.#rows = new Map(rows.map((row) => [`${row.subject} ${row.aspect}`, row]));
  }

  of(target: string, aspect: string): PastRow | undefined {
    return this.#rows.get(`${targetSubject(target)} ${aspect}`);
  }
}

/** What was asked for was so by then, or came to be so later; `at` of the question tells which. */
const isLater = (row: PastRow, { at, position }: When): boolean => row.at > at || row.position > position;

const sightOf = (row: PastRow | undefined, when: When): NonNullable<TargetAt['delivered']> | null =>
  row === undefined
    ? null
    : {
        generation: Number(row.stands?.['generation']),
        at: iso(row.at),
        recordedAt: iso(row.recordedAt),
        later: isLater(row, when),
      };

export const changeOf = (row: PastRow): NonNullable<ConfigAt['since']> => ({
  position: row.position,
  at: iso(row.at),
  recordedAt: iso(row.recordedAt),
  precision: row.precision,
  type: row.type,
  actor: row.actor,
  reason: row.reason,
});

const drainOf = (row: PastRow | undefined, end: PastRow | undefined, when: When): ConfigAt['drain'] => {
  const shown = end ?? row;
  if (shown === undefined || row === undefined) return null;
  return {
    rollout: String(row.stands?.['rollout']),
    state: String(shown.stands?.['state']),
    detail: typeof shown.stands?.['detail'] === 'string' ? shown.stands['detail'] : null,
    at: iso(shown.at),
    recordedAt: iso(shown.recordedAt),
    later: isLater(shown, when),
  };
};

const configAt = (view: LiveView, config: string, row: PastRow): Omit<ConfigAt, 'drain'> | undefined => {
  if (row.stands === null) return undefined;
  const { control, candidate, shareBp, rollout } = row.stands as JsonObject &
    Pick<ConfigAt, 'control' | 'candidate'> & {
      readonly shareBp: number;
      readonly rollout: string | null;
    };
  const valueOf = (revision: number | null): ConfigAt['value'] =>
    (revision === null ? null : (view.fleet.valueOf(config, revision) ?? null)) as ConfigAt['value'];
  return {
    config,
    control,
    candidate,
    shareBp,
    rollout,
    value: valueOf(control),
    candidateValue: valueOf(candidate),
    since: changeOf(row),
  };
};

/** The end of a drain that had begun and not ended by then, as far as it is known. */
const endsOf = async (past: Past, begun: readonly PastRow[], known: number): Promise<ReadonlyMap<string, PastRow>> => {
  const open = begun.filter(({ type }) => type !== 'TargetDrained');
  const ends = await past.ends(
    open.map(({ subject, aspect, stands }) => ({ subject, aspect, rollout: String(stands?.['rollout']) })),
    known,
  );
  return new Map(ends.map((row) => [`${row.subject} ${row.aspect}`, row]));
};

const instancesOf = async (past: Past, targets: readonly string[], when: When) => {
  const words = await past.instances(targets, when);
  return (target: string): NonNullable<TargetAt['instances']> =>
    words
      .filter((word) => word.target === target)
      .map(({ instance, generation, since, heardAt }) => ({
        instance,
        generation,
        since: iso(since),
        heardAt: iso(heardAt),
      }));
};

/**
 * What each target was desired to serve at a moment, and what is known of its arrival: with all that came to be known
 * since, or only with what was recorded up to a time. It costs the same however long the log is.
 */
export const atView = async (past: Past, view: LiveView, asked: AtAsked): Promise<AtView> => {
  const { when, config } = asked;
  const { known } = when;
  const targets = [...view.fleet.targets.values()]
    .filter(({ target, platform }) => (asked.target ?? target) === target && (asked.platform ?? platform) === platform)
    .map(({ target, platform }) => ({ target, platform }));
  const subjects = targets.map(({ target }) => targetSubject(target));
  const configs = [...view.fleet.configs.values()]
    .filter(({ kind, key }) => isServed(kind) && (config ?? key) === key)
    .map(({ key }) => key);
  const aspects = ['target', 'generation', ...configs.flatMap((key) => [`config/${key}`, `drain/${key}`])];
  const rows = await past.standing(subjects, aspects, when);
  const standing = new Standing(rows);
  const there = targets.filter(({ target }) => (standing.of(target, 'target')?.stands ?? null) !== null);
  const generationOf = (target: string): number =>
    Number(standing.of(target, 'generation')?.stands?.['generation'] ?? 0);
  const asksFor = (aspect: string) =>
    there.map(({ target }) => ({ subject: targetSubject(target), aspect, generation: generationOf(target) }));
  const [firsts, ends, positionThen, instances] = await Promise.all([
    past.firsts([...asksFor('delivered'), ...asksFor('acknowledged')], known),
    endsOf(
      past,
      rows.filter(({ aspect }) => aspect.startsWith('drain/')),
      known,
    ),
    when.position === WITHOUT_END ? past.positionAt(Math.min(when.at, known)) : when.position,
    asked.instances === true
      ? instancesOf(
          past,
          there.map(({ target }) => target),
          when,
        )
      : undefined,
  ]);
  const seen = new Standing(firsts);
  return {
    at: asked.at,
    knownAt: asked.knownAt,
    position: positionThen,
    targets: there.map(({ target, platform }) => {
      const acknowledged = seen.of(target, 'acknowledged');
      const sight = sightOf(acknowledged, when);
      return {
        target,
        platform,
        generation: generationOf(target),
        delivered: sightOf(seen.of(target, 'delivered'), when),
        acknowledged: sight && { ...sight, instances: Number(acknowledged?.stands?.['instances'] ?? 0) },
        ...(instances === undefined ? {} : { instances: instances(target) }),
        configs: configs.flatMap((key) => {
          const row = standing.of(target, `config/${key}`);
          const shown = row && configAt(view, key, row);
          if (shown === undefined) return [];
          const drain = standing.of(target, `drain/${key}`);
          return [{ ...shown, drain: drainOf(drain, drain && ends.get(`${drain.subject} ${drain.aspect}`), when) }];
        }),
      };
    }),
  };
};

import type { Pool, QueryResultRow } from 'pg';
import {
  Past,
  TooBroadError,
  type EndAsked,
  type FirstAsked,
  type InstanceWord,
  type MentionsAsked,
  type PastRow,
  type PastSpan,
  type SpansAsked,
  type When,
} from '#libs/application';

const COLUMNS =
  'p.subject, p.aspect, p.at, p.position, p.recorded_at as "recordedAt", p.precision, p.stands, p.type, p.actor, p.reason';

/** Found once for each question, so that another edition may take its place at any time. */
const LIVE = '(select edition from read_models.past_editions where live)';

const STANDING = `
  select ${COLUMNS}
  from unnest($1::text[]) as s(subject) cross join unnest($2::text[]) as a(aspect)
  cross join lateral (
    select * from read_models.past
    where edition = ${LIVE} and subject = s.subject and aspect = a.aspect and at <= $3 and recorded_at <= $4 and position <= $5
    order by at desc, position desc limit 1
  ) p`;

// What came for a generation was never more than this earlier than it, by the clocks of two machines.
const SKEW_MS = 3_600_000;

const FIRSTS = `
  select ${COLUMNS}
  from unnest($1::text[], $2::text[], $3::bigint[]) as g(subject, aspect, generation)
  cross join lateral (
    select * from read_models.past
    where edition = ${LIVE} and subject = g.subject and aspect = g.aspect and position >= g.generation
      and recorded_at <= $4
      and at >= (select recorded_at from read_models.past o
                 where o.edition = ${LIVE} and o.subject = g.subject and o.aspect = 'generation' and o.position <= g.generation
                 order by o.at desc, o.position desc limit 1) - ${SKEW_MS}
      and (stands ->> 'generation')::bigint >= g.generation
    order by at, position limit 1
  ) p`;

const ENDS = `
  select ${COLUMNS}
  from unnest($1::text[], $2::text[], $3::text[]) as g(subject, aspect, rollout)
  cross join lateral (
    select * from read_models.past
    where edition = ${LIVE} and subject = g.subject and aspect = g.aspect and recorded_at <= $4
      and type = 'TargetDrained' and stands ->> 'rollout' = g.rollout
    order by at desc, position desc limit 1
  ) p`;

const INSTANCES = `
  select distinct on (target, instance) target, instance, generation,
    floor(extract(epoch from since) * 1000)::bigint as since,
    floor(extract(epoch from heard_at) * 1000)::bigint as "heardAt"
  from delivery.acknowledged
  where target = any ($1) and since <= $2 and heard_at <= $3 and generation <= $4
  order by target, instance, generation desc`;

const SPANS = `
  select rollout, config, revision, plan, targets, actor, reason, reverts, bypass, lower(span) as "startedAt",
    -- The range ends before its upper bound.
    upper(span) - 1 as "endedAt"
  from read_models.rollout_spans
  where edition = ${LIVE} and span && int8range($1::bigint, $2::bigint, '[]')
    and ($3::text is null or config = $3) and ($4::text[] is null or targets && $4)
  order by lower(span) desc, rollout desc limit $5`;

const mentioned = (direction: 'asc' | 'desc'): string => `
  select distinct position
  from unnest($1::text[]) as s(subject)
  cross join lateral (
    select position from read_models.mentions
    where edition = ${LIVE} and subject = s.subject and position > $2 and position < $3
    order by position ${direction} limit $4
  ) m
  order by position ${direction} limit $4`;

const MENTIONED = { oldest: mentioned('asc'), newest: mentioned('desc') };

const QUERY_CANCELLED = '57014';

/** No position and no time is greater. */
const WITHOUT_END = Number.MAX_SAFE_INTEGER;
/** The end of times in PostgreSQL is later than JavaScript can write. */
const momentOf = (ms: number): string => (ms >= 8.64e15 ? 'infinity' : new Date(ms).toISOString());

/** Reads the tables of the past. The pool should end statements that run long. */
export class PostgresPast extends Past {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  standing(subjects: readonly string[], aspects: readonly string[], { at, known, position }: When) {
    return this.#rows<PastRow>('past_standing', STANDING, [subjects, aspects, at, known, position]);
  }

  firsts(asked: readonly FirstAsked[], known: number) {
    if (asked.length === 0) return Promise.resolve([]);
    const generations = asked.map(({ generation }) => generation);
    return this.#rows<PastRow>('past_firsts', FIRSTS, [...namesOf(asked), generations, known]);
  }

  ends(asked: readonly EndAsked[], known: number) {
    if (asked.length === 0) return Promise.resolve([]);
    const rollouts = asked.map(({ rollout }) => rollout);
    return this.#rows<PastRow>('past_ends', ENDS, [...namesOf(asked), rollouts, known]);
  }

  instances(targets: readonly string[], { at, known, position }: When) {
    const values = [targets, momentOf(at), momentOf(known), Math.min(position, WITHOUT_END)];
    return this.#rows<InstanceWord>('past_instances', INSTANCES, values);
  }

  async positionAt(time: number): Promise<number> {
    const [row] = await this.#rows<{ position: number }>(
      'past_position_at',
      'select event_store.position_at($1) as position',
      [momentOf(time)],
    );
    return row?.position ?? 0;
  }

  spans({ from, until, config, targets, limit }: SpansAsked) {
    return this.#rows<PastSpan>('past_spans', SPANS, [from, until, config, targets, limit]);
  }

  async mentioned({ subjects, after, before, order, limit }: MentionsAsked) {
    const rows = await this.#rows<{ position: number }>(`past_mentioned_${order}`, MENTIONED[order], [
      subjects,
      after,
      before,
      limit,
    ]);
    return rows.map(({ position }) => position);
  }

  async #rows<R extends QueryResultRow>(name: string, text: string, values: readonly unknown[]): Promise<R[]> {
    try {
      return (await this.#pool.query<R>({ name, text, values: [...values] })).rows;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === QUERY_CANCELLED)
        throw new TooBroadError(
          'This question takes too long: name a target, a config or a rollout, or a shorter time.',
          { cause: error },
        );
      throw error;
    }
  }
}

const namesOf = (asked: readonly { readonly subject: string; readonly aspect: string }[]) => [
  asked.map(({ subject }) => subject),
  asked.map(({ aspect }) => aspect),
];

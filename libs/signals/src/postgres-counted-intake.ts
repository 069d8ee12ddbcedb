import type { Pool, PoolClient } from 'pg';
import { assessCounted, type WholeFacts } from './assess-counted.js';
import { CountedIntake, type CountedRefusal, type SourceState, type SourceStep } from './counted.js';
import type { EvidenceBell } from './evidence-bell.js';
import type { ExposureLookup } from './exposure.js';
import { writeTally } from './flush.js';
import { IntakeBusyError, IntakeClosedError } from './intake.js';
import { inTransaction } from '#libs/postgres';
import { againOncePassed } from './sql.js';
import { Tally } from './tally.js';
import { ToldArms } from './told-arms.js';

type Answer<R> = { readonly result: R; readonly refused: readonly CountedRefusal[] };

export type CountedIntakeOptions = {
  /** Steps that go together in one transaction at most. Default 32. */
  readonly maxFlush?: number;
  /** Steps that may wait before more are turned away. Default 256. */
  readonly maxWaiting?: number;
};

type Waiting = {
  readonly source: string;
  readonly step: (state: SourceState | undefined) => SourceStep<unknown>;
  readonly now: number;
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: unknown) => void;
};

/** What came of one step: it is told once the transaction is durable. */
type Done = { readonly item: Waiting } & ({ readonly answer: Answer<unknown> } | { readonly error: unknown });

/** Transactions under way at once: while one waits for its commit, the next one counts. */
const DEPTH = 2;

/**
 * Locks the row of each source, in one order, and gives what was kept; rows that are not there yet are made, so that two
 * controllers do not both begin.
 */
const LOCK = `
  insert into evidence.sources as known (source, seen_at)
  select source, seen_at from unnest($1::text[], $2::bigint[]) as asked(source, seen_at) order by source
  on conflict (source) do update set seen_at = greatest(known.seen_at, excluded.seen_at)
  returning source, state`;

/** States come in lines, as JSON has none: in a list each of their quotes would have to be escaped. */
const KEEP = `
  update evidence.sources set state = kept.state
  from unnest($1::text[], string_to_array($2::text, E'\\n')) as kept(source, state) where sources.source = kept.source`;

/**
 * Counts what sources say, in PostgreSQL. Steps that come while others are under way go out together in one transaction;
 * those of one source come one after another, by the lock on its row, whichever controller has them. A step that throws
 * fails alone.
 */
export class PostgresCountedIntake extends CountedIntake {
  private readonly maxFlush: number;
  private readonly maxWaiting: number;
  private queue: Waiting[] = [];
  private closed = false;
  private readonly flushing = new Set<Promise<void>>();
  private readonly toldArms = new ToldArms();

  constructor(
    private readonly pool: Pool,
    private readonly exposures: ExposureLookup,
    private readonly bell: EvidenceBell,
    options: CountedIntakeOptions = {},
  ) {
    super();
    this.maxFlush = options.maxFlush ?? 32;
    this.maxWaiting = options.maxWaiting ?? 256;
  }

  /** Throws what the step throws, `IntakeBusyError`, `IntakeClosedError` or what the database throws: nothing is kept then. */
  override async advance<R>(
    source: string,
    step: (state: SourceState | undefined) => SourceStep<R>,
    now: number,
  ): Promise<Answer<R>> {
    if (this.closed) throw new IntakeClosedError();
    if (this.queue.length >= this.maxWaiting) throw new IntakeBusyError(this.queue.length, 'requests with metrics');
    const answer = await new Promise<Answer<unknown>>((resolve, reject) => {
      this.queue.push({ source, step, now: Math.round(now), resolve, reject });
      this.flushSoon();
    });
    return answer as Answer<R>;
  }

  /** Takes no more, and comes back when everything taken is answered. */
  async close(): Promise<void> {
    this.closed = true;
    this.flushSoon();
    while (this.flushing.size > 0) await Promise.all(this.flushing);
  }

  private flushSoon(): void {
    while (this.queue.length > 0 && this.flushing.size < DEPTH) {
      const flush = this.flush(this.queue.splice(0, this.maxFlush)).finally(() => {
        this.flushing.delete(flush);
        this.flushSoon();
      });
      this.flushing.add(flush);
    }
  }

  /** Answers every step of the flush; never throws. */
  private async flush(items: readonly Waiting[]): Promise<void> {
    try {
      const { done, touched } = await againOncePassed(() =>
        inTransaction(this.pool, (client) => this.count(client, items)),
      );
      for (const each of done) {
        if ('error' in each) each.item.reject(each.error);
        else each.item.resolve(each.answer);
      }
      this.bell.ring(touched);
    } catch (error) {
      for (const item of items) item.reject(error);
    }
  }

  private async count(
    client: PoolClient,
    items: readonly Waiting[],
  ): Promise<{ readonly done: readonly Done[]; readonly touched: readonly string[] }> {
    const states = await lock(client, items);
    const tally = new Tally();
    const wholes: WholeFacts[] = [];
    const changed = new Set<string>();
    const done = items.map((item): Done => {
      try {
        const { state, counted, result } = item.step(states.get(item.source));
        const { facts, whole, refused } = assessCounted(counted, item.now, this.exposures);
        states.set(item.source, state);
        changed.add(item.source);
        tally.add(facts);
        wholes.push(...whole);
        return { item, answer: { result, refused } };
      } catch (error) {
        return { item, error };
      }
    });
    for (const { facts } of await this.toldArms.tell(client, tally.toldArms.sorted(), wholes)) tally.add(facts);
    const sources = [...changed];
    if (sources.length > 0)
      await client.query(KEEP, [sources, sources.map((source) => stateText(states.get(source))).join('\n')]);
    await writeTally(client, tally, { units: [], underWay: [], now: Math.max(...items.map(({ now }) => now)) });
    return { done, touched: tally.touched() };
  }
}

/** Without a state: null. */
const stateText = (state: SourceState | undefined): string => JSON.stringify(state ?? null);

/** What was kept of each source; undefined at first. */
const lock = async (client: PoolClient, items: readonly Waiting[]): Promise<Map<string, SourceState | undefined>> => {
  const seen = new Map<string, number>();
  for (const { source, now } of items) seen.set(source, Math.max(now, seen.get(source) ?? 0));
  const { rows } = await client.query<{ readonly source: string; readonly state: string | null }>({
    name: 'evidence_lock_sources',
    text: LOCK,
    values: [[...seen.keys()], [...seen.values()]],
  });
  return new Map(
    rows.map(({ source, state }) => [source, state === null ? undefined : (JSON.parse(state) as unknown)]),
  );
};

import type { PoolClient } from 'pg';
import type { WholeFacts } from './assess-counted.js';
import type { ToldArmsFact } from './facts.js';

type Told = Pick<ToldArmsFact, 'rollout' | 'signal'>;

const nameOf = ({ rollout, signal }: Told): string => JSON.stringify([rollout, signal]);

const KNOWN = `
  select rollout, signal from evidence.told_arms
  join json_to_recordset($1::json) as x(rollout text, signal text) using (rollout, signal)`;

// Whoever is the first to tell arms waits for those that still count the whole, and they wait for him.
const TAKE_TURNS = `
  select case when x.tells then pg_advisory_xact_lock(x.lock) else pg_advisory_xact_lock_shared(x.lock) end
  from (select hashtextextended(name, 0) as lock, bool_or(tells) as tells
    from json_to_recordset($1::json) as y(name text, tells boolean) group by 1 order by 1) as x`;

// What was counted of the whole so far is no evidence of arms: looks that hold bad outcomes of it are set right by a later one.
const FORGET_WHOLE = `
  with told as (
    insert into evidence.told_arms (rollout, signal)
    select rollout, signal from json_to_recordset($1::json) as x(rollout text, signal text)
    on conflict (rollout, signal) do nothing
    returning rollout, signal
  ), waiting as (
    delete from evidence.pending cell using told where cell.rollout = told.rollout and cell.signal = told.signal
    returning cell.rollout, cell.signal, cell.target, cell.model, cell.candidate_bad as bad
  ), waiting_values as (
    delete from evidence.pending_values cell using told where cell.rollout = told.rollout and cell.signal = told.signal
  ), measured as (
    update evidence.samples cell set candidate = 0, control = 0
    from told where cell.rollout = told.rollout and cell.signal = told.signal
  ), counted as (
    delete from evidence.bad_counts cell using told where cell.rollout = told.rollout and cell.signal = told.signal
    returning cell.rollout, cell.signal, cell.target, cell.model, cell.bad
  ), looked_at as (
    select rollout, signal, target, model, sum(bad) as bad
    from (select * from counted union all select rollout, signal, target, model, -bad from waiting) as each
    group by rollout, signal, target, model having sum(bad) <> 0
  )
  insert into evidence.pending
    (rollout, signal, target, model, share_bp, candidate_bad, control_bad, candidate_requests, control_requests, late)
  select rollout, signal, target, model, 0, -bad, 0, 0, 0, false from looked_at`;

/**
 * Notes of which signals a source told the arms for a rollout, before anything is written of them. Gives what counts of the
 * items that name no arm: those of signals of which nobody has told the arms, now or before. Inside the caller's
 * transaction, of which it is the first thing after its sources.
 */
export class ToldArms {
  /** Once told, always told. */
  readonly #known = new Set<string>();

  async tell(client: PoolClient, told: readonly Told[], whole: readonly WholeFacts[]): Promise<readonly WholeFacts[]> {
    const asked = [...told, ...whole].filter((each) => !this.#known.has(nameOf(each)));
    if (asked.length > 0 && (await this.#learn(client, asked)).length > 0) {
      const tells = new Set(told.map(nameOf));
      const turns = asked.map((each) => ({ name: nameOf(each), tells: tells.has(nameOf(each)) }));
      await client.query(TAKE_TURNS, [JSON.stringify(turns)]);
      await this.#learn(client, asked);
      const first = told.filter((each) => !this.#known.has(nameOf(each)));
      if (first.length > 0) await client.query(FORGET_WHOLE, [namesIn(first)]);
    }
    const tells = new Set(told.map(nameOf));
    return whole.filter((each) => !tells.has(nameOf(each)) && !this.#known.has(nameOf(each)));
  }

  /** Gives what nobody has told. */
  async #learn(client: PoolClient, asked: readonly Told[]): Promise<readonly Told[]> {
    const { rows } = await client.query<Told>({ name: 'evidence_known_arms', text: KNOWN, values: [namesIn(asked)] });
    // What this transaction tells itself is not kept here: it may be taken back.
    for (const row of rows) this.#known.add(nameOf(row));
    return asked.filter((each) => !this.#known.has(nameOf(each)));
  }
}

const namesIn = (all: readonly Told[]): string =>
  JSON.stringify([
    ...new Map(all.map(({ rollout, signal }) => [nameOf({ rollout, signal }), { rollout, signal }])).values(),
  ]);

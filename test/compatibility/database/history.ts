import type { Pool } from 'pg';
import type { RolloutView } from '#libs/contracts';
import { clientOf, type Door } from '#test/kit/http';
import { target, config } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { until } from '#test/kit/until';
import { change, IDLE, WORLD } from './world.js';

const PATIENCE = { timeoutMs: 60_000 };

/** The life that a release leads before its database is kept. Each part is one thing that happens to a real one. */
export class History {
  readonly #admin: Door;
  readonly #pool: Pool;
  readonly #revisions = new Map<string, number>();

  constructor(admin: Door, pool: Pool) {
    this.#admin = admin;
    this.#pool = pool;
  }

  /** Manifests and tokens. Gives the secret with which fleets come. */
  async begin(): Promise<string> {
    const client = clientOf(this.#admin);
    await client.apply({ manifests: [...WORLD], reason: 'what runs today' });
    await client.createToken({ subject: 'release-bot', role: 'operator', expiresInDays: 3_650 });
    const { id } = await client.createToken({ subject: 'somebody who left', role: 'viewer' });
    await client.revokeToken(id);
    return (await client.createToken({ subject: 'fleets', role: 'service' })).secret;
  }

  /** Rollouts that come to an end in all the ways there are. */
  async pastRollouts(): Promise<void> {
    const client = clientOf(this.#admin);
    await this.#until('settled', 'sampler', 'proven');
    await this.#until('rolled-back', 'router.context', 'quick');
    await this.#until('rolled-back', 'tpu.runtime', 'quick');
    await this.#hurried(await this.#start('sampler', 'emergency'));
    await this.#hurried(await client.undo('sampler', { reason: 'the emergency is over', to: 2 }));
    await this.#relabelled();
    await this.#steered();
    await this.#superseded();
    await this.#undeliverable();
  }

  /** One rollout in the middle of a stage and one in its watch, both partly baked. */
  async underWay(): Promise<void> {
    const client = clientOf(this.#admin);
    const watched = await this.#start('prompt.system', 'in-the-watch');
    await reachesStatus(client, watched.id, 'watching');
    const staged = await this.#start('cache.policy', 'in-a-stage');
    await until('both are partly baked', () => this.#areBaked([`${watched.id}/*`, `${staged.id}/api`]), PATIENCE);
  }

  /**
   * A rollback and a start that a controller accepts which does no work itself; of the start not even tasks are made.
   * Call what it gives once that controller is dead.
   */
  async onlyAccepted(): Promise<() => Promise<void>> {
    const client = clientOf(this.#admin);
    const [watched] = (await client.rollouts({ config: 'router.context', status: 'watching' })).items;
    await client.command(watched?.id ?? '', 'abort', { reason: 'not wanted any more' });
    await until('tasks are made of it', async () => (await this.#lag()) === 0, PATIENCE);
    const holder = await this.#pool.connect();
    await holder.query('begin');
    // Who makes tasks of events passes over a checkpoint that somebody holds.
    await holder.query(`select from process.checkpoints where name = 'conductor' for update`);
    await this.#start('limits', 'quick');
    return async () => {
      await holder.query('rollback');
      holder.release();
    };
  }

  async #start(name: string, planName: string): Promise<RolloutView> {
    const client = clientOf(this.#admin);
    const revision = (this.#revisions.get(name) ?? 1) + 1;
    this.#revisions.set(name, revision);
    await client.apply({ manifests: [change(name, revision)], reason: `change ${revision} of ${name}` });
    return client.start({ config: name, plan: planName, reason: `roll out change ${revision}` });
  }

  async #until(status: RolloutView['status'], name: string, planName: string): Promise<void> {
    const { id } = await this.#start(name, planName);
    await reachesStatus(clientOf(this.#admin), id, status);
  }

  /** What goes everywhere at once, and whose watch a person ends. */
  async #hurried({ id }: RolloutView): Promise<void> {
    const client = clientOf(this.#admin);
    await reachesStatus(client, id, 'watching');
    await client.command(id, 'promote', { reason: 'watched by eye' });
    await reachesStatus(client, id, 'settled');
  }

  async #relabelled(): Promise<void> {
    const client = clientOf(this.#admin);
    const labelled = target('api-trainium', 'api', 'trainium2', ['haiku']);
    const schema = { type: 'object', properties: { output: { type: 'integer' } } };
    await client.apply({ manifests: [IDLE], reason: 'a place for later' });
    await client.apply({ manifests: [labelled, config('limits', { output: 8_192 }, { schema })] });
  }

  /** Paused, resumed, promoted, aborted, and given up on one target. */
  async #steered(): Promise<void> {
    const client = clientOf(this.#admin);
    const { id } = await this.#start('tpu.runtime', 'long-drain');
    await client.command(id, 'pause', { reason: 'a look at the graphs first' });
    await client.command(id, 'resume', { reason: 'the graphs are fine' });
    const inStage = async (name: string) => (await client.rollout(id)).tracks.some(({ stage }) => stage === name);
    await until('it is in its second stage', () => inStage('100%'), PATIENCE);
    await client.command(id, 'promote', { reason: 'seen enough', track: 'api' });
    await client.command(id, 'abort', { reason: 'seen too much' });
    const isReadBack = async () => {
      const { targets } = await client.rollout(id);
      return targets.every(({ generation, readBack, converged }) => generation === 0 || (readBack && converged));
    };
    await until('it is read back', isReadBack, PATIENCE);
    for (const { target: name, generation } of (await client.rollout(id)).targets)
      if (generation > 0) await client.abandon(id, { target: name, reason: 'an hour is too long to wait for this' });
    await reachesStatus(client, id, 'rolled-back');
  }

  async #superseded(): Promise<void> {
    const client = clientOf(this.#admin);
    const first = await this.#start('router.context', 'long-watch');
    await reachesStatus(client, first.id, 'watching');
    const second = await this.#start('router.context', 'long-watch');
    await reachesStatus(client, first.id, 'superseded');
    await reachesStatus(client, second.id, 'watching');
  }

  /** A delivery that fails for a while. */
  async #undeliverable(): Promise<void> {
    await this.#pool.query(`
      create function refuse_delivery() returns trigger language plpgsql as $$
      begin raise exception 'no room for this ruleset'; end $$;
      create trigger refuse_delivery before insert or update on delivery.rulesets
      for each statement execute function refuse_delivery()`);
    const { id } = await this.#start('tpu.runtime', 'quick');
    const hasFailed = async () => (await clientOf(this.#admin).rollout(id)).targets.some(({ error }) => error !== null);
    await until('a delivery has failed', hasFailed, PATIENCE);
    await this.#pool.query('drop trigger refuse_delivery on delivery.rulesets; drop function refuse_delivery()');
    await reachesStatus(clientOf(this.#admin), id, 'settled');
  }

  async #areBaked(tracks: readonly string[]): Promise<boolean> {
    const { rows } = await this.#pool.query<{ tracks: number }>(
      `select count(*)::int as tracks from evidence.bakes
       where rollout || '/' || track = any($1) and baked_ms between 500 and 3000 and stage in ('10%', 'watch')`,
      [tracks],
    );
    return rows[0]?.tracks === tracks.length;
  }

  async #lag(): Promise<number> {
    const { rows } = await this.#pool.query<{ lag: number }>(
      `select ((select max(position) from event_store.events) - position)::int as lag
       from process.checkpoints where name = 'conductor'`,
    );
    return rows[0]?.lag ?? Number.NaN;
  }
}

import type { Outcome } from '#libs/application';
import type { HeadgateEvent, Rollout, Status } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

export const stages = [
  { exposure: '10%', bake: '1s' },
  { exposure: '100%', bake: '1s' },
];
const signals: readonly JsonObject[] = [{ signal: 'script-errors', tolerate: 'none' }, { signal: 'wrong-pool' }];
export const short = { holdback: '20%', watch: '5s', drain: '5s', grace: '5s', signals };

/** Tracks api, then bedrock. */
const quick: HeadgateEvent = revisionOf('plan/quick', 1, {
  ...short,
  tracks: [
    { name: 'api', targets: { platform: 'api' }, stages },
    { name: 'bedrock', targets: ['bedrock-us'], after: 'api', stages },
  ],
});
const onlyApi: HeadgateEvent = revisionOf('plan/only-api', 1, {
  ...short,
  tracks: [{ name: 'api', targets: { platform: 'api' }, stages }],
});
export const targets = ['api-us', 'api-eu', 'bedrock-us'];
export const everywhere = (revision: number) => Object.fromEntries(targets.map((target) => [target, revision]));

export const idOf = (outcome: Outcome): string => {
  if (!outcome.accepted) throw new Error(`${outcome.rejection.code}: ${outcome.rejection.message}`);
  return String(outcome.outcome['rollout']);
};

/** Three targets that run revision 1; revisions 2 and 3 wait to go out. */
export class Stage {
  readonly world = new World();
  readonly controller = new Controller(this.world, 'one');

  static async furnished(): Promise<Stage> {
    const stage = new Stage();
    await stage.world.furnish(quick);
    const registered = {
      key: 'plan/only-api',
      kind: 'plan',
      assignment: null,
      description: null,
      schema: null,
    } as const;
    await stage.world.record('config-plan/only-api', { type: 'ConfigRegistered', data: registered }, onlyApi);
    await stage.world.record(`config-${CONFIG}`, revisionOf(CONFIG, 3, { pool: 'c' }));
    return stage;
  }

  rollout(id: string): Rollout {
    const entry = this.controller.view.rollouts.get(id);
    if (!entry) throw new Error(`There is no rollout ${id}.`);
    return entry.rollout;
  }

  async until(condition: () => boolean): Promise<void> {
    await runUntil(this.world, [this.controller], condition);
  }

  async reaches(outcome: Outcome, status: Status): Promise<string> {
    const id = idOf(outcome);
    await this.controller.caughtUp();
    await this.until(() => this.rollout(id).status === status);
    return id;
  }

  async start(revision: number, plan = 'quick', vetoReason?: string): Promise<Outcome> {
    return this.controller.start({ config: CONFIG, plan, revision, vetoReason }, 'it is time');
  }

  /** Target → revision that the fleets are asked to run, and nothing beside it. */
  async live(): Promise<Readonly<Record<string, number>>> {
    await this.controller.caughtUp();
    return Object.fromEntries(
      targets.map((target) => {
        const [desired] = this.controller.view.fleet.desired(target);
        return [target, desired?.shareBp === 0 ? desired.control : Number.NaN];
      }),
    );
  }

  settled(): Readonly<Record<string, readonly number[]>> {
    return this.controller.view.fleet.configs.get(CONFIG)?.settled ?? {};
  }

  /** Requests on this revision go wrong. */
  breaks(bad: number): void {
    this.world.fleets.rates = (revision) => ({ 'script-errors': revision === bad ? 0.2 : 0.01 });
  }
}

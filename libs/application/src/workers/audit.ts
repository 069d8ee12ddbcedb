import type { ClaimedTask, JsonObject } from '#libs/kernel';
import { rulesetDifferences, targetDecider, targetStream, type FleetTarget } from '#libs/domain';
import { readSettings } from '#libs/contracts';
import { automation } from '../commands/context.js';
import type { CommandRunner } from '../commands/runner.js';
import type { Delivery } from '../ports.js';
import type { LiveView } from '../queries/live-view.js';
import { rulesetOf } from './deliver.js';
import { targetCapabilities } from './targets-known.js';
import type { Disposition } from './task-loop.js';

/** What is seen once may be an answer that came late: it is looked at again after this. */
const AGAIN_MS = 2_000;
const MOST_NAMED = 5;

type Live = { readonly generation: number; readonly ruleset: JsonObject };
type Found = { readonly held: number | null; readonly detail: string };

/** What a target holds against what was asked of it; undefined where that can not be said, or it holds what it should. */
const driftOf = (
  asked: { readonly generation: number; readonly ruleset: JsonObject; readonly wasDelivered: boolean },
  live: Live | undefined,
  head: number,
): Found | undefined => {
  const { generation, ruleset, wasDelivered } = asked;
  if (live === undefined)
    return wasDelivered ? { held: null, detail: `it holds nothing, in place of generation ${generation}` } : undefined;
  if (live.generation > head)
    return { held: live.generation, detail: `it says that it holds generation ${live.generation}, which no log has` };
  if (live.generation === generation) {
    const differences = rulesetDifferences(ruleset, live.ruleset);
    if (differences.length === 0) return undefined;
    const named = differences.slice(0, MOST_NAMED).join(', ');
    const more = differences.length > MOST_NAMED ? ` and ${differences.length - MOST_NAMED} more` : '';
    return { held: generation, detail: `generation ${generation} was changed there: ${named}${more}` };
  }
  if (live.generation > generation || !wasDelivered) return undefined;
  return live.generation === 0
    ? { held: null, detail: `it holds what Headgate never wrote, in place of generation ${generation}` }
    : { held: live.generation, detail: `it is back at generation ${live.generation}, in place of ${generation}` };
};

/**
 * Reads what a target holds, as long as it is there, and records when that is not what was asked of it. A drift is
 * recorded when it is seen twice in a row.
 */
export class Auditor {
  readonly #runner: CommandRunner;
  readonly #view: LiveView;
  readonly #delivery: Delivery;
  readonly #head: () => Promise<number>;
  /** Target → the drift that was seen at the last look. */
  readonly #suspected = new Map<string, string>();
  /** Target → the newest generation that was seen to be there, and since when. */
  readonly #seen = new Map<string, { readonly generation: number; readonly since: number }>();

  constructor(runner: CommandRunner, view: LiveView, delivery: Delivery, head: () => Promise<number>) {
    this.#runner = runner;
    this.#view = view;
    this.#delivery = delivery;
    this.#head = head;
  }

  async run(task: ClaimedTask): Promise<Disposition> {
    const name = String(task.payload['target']);
    const target = this.#view.fleet.targets.get(name);
    if (target === undefined) return this.#again(AGAIN_MS);
    if (target.retired) return { kind: 'done' };
    const known = readSettings(target.driver, target.settings);
    if (known.driver === 'pull' || (known.driver === 'webhook' && !known.settings.readBack)) return { kind: 'done' };
    const { check, onDrift } = known.settings;
    const isSettled = await this.#look(target, onDrift).catch(() => true);
    return this.#again(isSettled ? check : Math.min(check, AGAIN_MS));
  }

  #again(ms: number): Disposition {
    return { kind: 'again', atMs: this.#runner.now() + ms, fresh: true };
  }

  /** False where it is to be looked at again soon. Throws when the target cannot be asked: nothing is known then. */
  async #look(target: FleetTarget, action: 'hold' | 'put-back'): Promise<boolean> {
    const { generation } = target;
    const wasDelivered = this.#wasDelivered(target);
    const ruleset = this.#delivery.heldForm(target.target, rulesetOf(this.#view, target));
    const live = await this.#delivery.read(target.target);
    // What was asked of it meanwhile is looked for at the next look.
    if (this.#view.fleet.targets.get(target.target)?.generation !== generation) return false;
    const found = driftOf({ generation, ruleset, wasDelivered }, live, await this.#head());
    if (found === undefined) {
      this.#suspected.delete(target.target);
      if (live?.generation !== generation) return false;
      if (target.drift !== null) await this.#record(target.target, { type: 'RecordDriftEnd', generation });
      await this.#note(target);
      return true;
    }
    const suspicion = JSON.stringify([generation, found]);
    const isSeenAgain = this.#suspected.get(target.target) === suspicion;
    this.#suspected.set(target.target, suspicion);
    if (!isSeenAgain) return false;
    await this.#record(target.target, { type: 'RecordDrift', generation, ...found, action });
    return true;
  }

  /** What has been there for as long as its readers need is theirs: after a restart, it is known to have been there. */
  async #note(target: FleetTarget): Promise<void> {
    const { generation, acknowledged } = target;
    const known = this.#seen.get(target.target);
    const now = this.#runner.now();
    const seen = known?.generation === generation ? known : { generation, since: now };
    this.#seen.set(target.target, seen);
    const { acknowledgesInstances, worstCaseDelayMs } = targetCapabilities(target);
    if (acknowledgesInstances || acknowledged >= generation || now - seen.since < worstCaseDelayMs) return;
    await this.#record(target.target, { type: 'RecordAcknowledgement', generation, instances: 0 });
  }

  #wasDelivered({ target, generation, acknowledged }: FleetTarget): boolean {
    if (acknowledged >= generation || (this.#seen.get(target)?.generation ?? 0) >= generation) return true;
    return [...this.#view.rollouts.values()].some(
      ({ rollout }) => (rollout.targets[target]?.delivered ?? 0) >= generation,
    );
  }

  async #record(target: string, command: Parameters<typeof targetDecider.decide>[1]): Promise<void> {
    const context = automation(this.#runner.newId(), this.#view.generationEvent(target));
    const outcome = await this.#runner.run(command.type, context, async (session) => {
      const stream = targetStream(target);
      const { state } = await session.load(targetDecider, stream);
      session.decide(targetDecider, stream, state, command);
      return { target };
    });
    if (outcome.accepted && outcome.events.length > 0) await this.#view.caughtUpWith(outcome.lastPosition);
  }
}

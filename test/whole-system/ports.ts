import {
  Evaluator,
  type Delivery,
  type Evidence,
  type Progress,
  type ProgressBoard,
  type TakenLook,
} from '#libs/application';
import type { OnTrial, Rollout } from '#libs/domain';
import type { Clock, EventStore } from '#libs/kernel';
import type { PlatformDriver } from '#libs/platforms';
import type { TargetFault } from './steps.js';
import type { Life, Turns } from './turns.js';
import { lookKey, reportKey, trialKey, type Seen, type Witness } from './witness.js';

/** What a controller reaches outside its own memory, and the one who watches. */
export type Outside = {
  readonly turns: Turns;
  readonly witness: Witness;
  readonly store: EventStore;
  readonly evidence: Evidence;
  readonly board: ProgressBoard;
  readonly clock: Clock;
  readonly faultOf: (target: string) => TargetFault | undefined;
  /** Throws where a write is to fail. */
  readonly trouble: (isDone: boolean) => void;
};

/** What one life looks at. */
export type Looks = {
  /** Rollout → as this life knows it, when it begins to look. */
  readonly subjects: Map<string, Rollout>;
  /** Rollout → the newest look at it: what this life decides next rests on that. */
  readonly newest: Map<string, Seen>;
};

/** The log, as one life of a controller reaches it. */
export const storeOf = (life: Life, looks: Looks, { turns, witness, store, trouble }: Outside): EventStore => ({
  append: (request) =>
    turns.act(life, 'append', async () => {
      trouble(false);
      const result = await store.append(request);
      if (!life.isAlive) witness.comes('append: of a dead controller');
      if (result.kind === 'appended')
        for (const { streamId, position } of result.events) {
          const look = looks.newest.get(streamId.slice('rollout-'.length));
          if (look && streamId.startsWith('rollout-')) witness.decidedOn.set(position, look.look.look);
        }
      trouble(true);
      return result;
    }),
  readStream: (streamId, options) => turns.ask(life, 'read a stream', () => store.readStream(streamId, options)),
  readAll: (options) => turns.ask(life, 'read on', () => store.readAll(options)),
  readPositions: (positions) => turns.ask(life, 'read events', () => store.readPositions(positions)),
  head: () => store.head(),
  findCommand: (commandId) => turns.ask(life, 'find a command', () => store.findCommand(commandId)),
  onCommit: (listener) => store.onCommit(listener),
});

/** The evidence, as one life reaches it. What each evaluation rests on is written down. */
export const evidenceOf = (life: Life, looks: Looks, outside: Outside): Evidence => {
  const { turns, witness, evidence, clock } = outside;
  const noted = (rollout: string, taken: TakenLook): TakenLook => {
    const { look, requests } = taken;
    const subject = looks.subjects.get(rollout);
    if (!subject) throw new Error(`Rollout ${rollout} is looked at by nobody who leads it.`);
    const notes = {
      judgedAt: undefined,
      told: undefined,
      requests,
      targets: [],
      violations: new Map(),
      trials: new Map(),
      before: [],
    };
    const seen: Seen = { look: { ...look, rollout }, head: witness.head, rollout: subject, ...notes };
    witness.seen.set(lookKey(rollout, look.look), seen);
    witness.lookedAt.set(rollout, clock.now());
    looks.newest.set(rollout, seen);
    return taken;
  };
  return {
    takeLook: (rollout, at) =>
      turns.act(life, 'take a look', async () => {
        outside.trouble(false);
        return noted(rollout, await evidence.takeLook(rollout, at));
      }),
    readLooks: (rollout, after, most) => turns.ask(life, 'read looks', () => evidence.readLooks(rollout, after, most)),
    requests: (rollout) => turns.ask(life, 'read requests', () => evidence.requests(rollout)),
    assignments: (rollout, signal) => turns.ask(life, 'read assignments', () => evidence.assignments(rollout, signal)),
    violations: (rollout, signal, options) =>
      turns.ask(life, 'read violations', async () => {
        const report = await evidence.violations(rollout, signal, options);
        looks.newest.get(rollout)?.violations.set(reportKey(signal, options.targets ?? []), report);
        return report;
      }),
    comparisons: (rollout) => turns.ask(life, 'read comparisons', () => evidence.comparisons(rollout)),
    activation: (rollout) => turns.ask(life, 'read activation', () => evidence.activation(rollout)),
    lastSeen: (rollout, also) =>
      turns.ask(life, 'read what was seen', async () => {
        const targets = await evidence.lastSeen(rollout, also);
        looks.newest.get(rollout)?.targets.push(targets);
        return targets;
      }),
    traffic: (options) => evidence.traffic(options),
    before: (asked) => turns.ask(life, 'read what sources counted', () => evidence.before(asked)),
    toldArms: (rollout) =>
      turns.ask(life, 'read whose arms are told', async () => {
        const told = await evidence.toldArms(rollout);
        const seen = looks.newest.get(rollout);
        if (seen) seen.told ??= told;
        return told;
      }),
    advanceBake: (...given) => turns.act(life, 'bake', () => evidence.advanceBake(...given)),
    bakedMs: (rollout) => evidence.bakedMs(rollout),
    onEvidence: (listener) => evidence.onEvidence(listener),
  };
};

/** An evaluator for each rollout, so that it can be written down what each look was judged with. */
export class NotedEvaluators extends Evaluator {
  readonly #each = new Map<string, Evaluator>();

  constructor(
    private readonly evidence: Evidence,
    private readonly onTrial: OnTrial,
    private readonly looks: Looks,
    private readonly witness: Witness,
    private readonly make: (evidence: Evidence, onTrial: OnTrial) => Evaluator,
  ) {
    super(evidence, onTrial);
  }

  override async forget(rollout: string): Promise<void> {
    await this.#each.get(rollout)?.forget(rollout);
    this.#each.delete(rollout);
  }

  override async evaluate(rollout: Rollout, now: number): ReturnType<Evaluator['evaluate']> {
    this.looks.subjects.set(rollout.id, rollout);
    const known = this.#each.get(rollout.id) ?? this.make(this.#noting(rollout.id), this.#noted(rollout.id));
    this.#each.set(rollout.id, known);
    const verdicts = await known.evaluate(rollout, now);
    const seen = this.looks.newest.get(rollout.id);
    if (seen) seen.judgedAt = this.witness.head;
    return verdicts;
  }

  #noting(rollout: string): Evidence {
    const before: Evidence['before'] = async (asked) => {
      const totals = await this.evidence.before(asked);
      this.looks.newest.get(rollout)?.before.push(...totals);
      return totals;
    };
    return Object.assign({}, this.evidence, { before });
  }

  #noted(rollout: string): OnTrial {
    return (...which) => {
      const trial = this.onTrial(...which);
      this.looks.newest.get(rollout)?.trials.set(trialKey(...which), trial);
      return trial;
    };
  }
}

const mustAnswer = (target: string, fault: TargetFault | undefined): void => {
  if (fault === 'does not answer') throw new Error(`${target} does not answer`);
};

/** The way to the targets, as one life has it. */
export const deliveryOf = (life: Life, driver: PlatformDriver, outside: Outside): Delivery => {
  const { turns, witness, faultOf } = outside;
  return {
    apply: (target, ruleset, generation) => {
      const deliver = async (): ReturnType<Delivery['apply']> => {
        const fault = faultOf(target);
        mustAnswer(target, fault);
        if (fault === 'refuses') return { kind: 'rejected', message: `${target} takes nothing` };
        if (fault === 'is busy') return { kind: 'throttled', retryAfterMs: 700, message: `${target} is busy` };
        if (fault === 'answers later' && generation % 2 === 0) return { kind: 'in-progress', generation };
        const outcome = await driver.apply(target, ruleset, generation);
        witness.comes(`delivery: ${outcome.kind === 'conflict' ? outcome.reason : outcome.kind}`);
        if (outcome.kind === 'conflict' && outcome.reason === 'different-ruleset')
          witness.faults.push(`generation ${generation} of ${target} was rendered in two ways`);
        if (!life.isAlive) witness.comes('delivery: of a dead controller');
        const held = await driver.read(target);
        if (held) witness.holds(target, held.ruleset, held.generation);
        if (fault === 'forgets to answer') throw new Error(`${target} was cut off before it answered`);
        return outcome;
      };
      return turns.act(life, 'deliver', deliver, () => faultOf(target) === 'is slow');
    },
    read: (target) =>
      turns.ask(life, 'read back', async () => {
        mustAnswer(target, faultOf(target));
        return driver.read(target);
      }),
    heldForm: (target, ruleset) => driver.heldForm(target, ruleset),
    observe: (target) =>
      turns.ask(life, 'observe', async () => {
        mustAnswer(target, faultOf(target));
        const observation = await driver.observe(target);
        const { instances } = observation;
        if (instances.every(({ error }) => error === null))
          witness.observed(
            target,
            instances.map(({ generation }) => generation),
          );
        return observation;
      }),
  };
};

/** The notes for readers, as one life writes them. */
export const boardOf = (life: Life, { turns, board }: Outside): ProgressBoard => ({
  put: (rollout: string, progress: Progress) => turns.act(life, 'note', () => board.put(rollout, progress)),
  get: (rollouts) => board.get(rollouts),
  times: (rollouts) => board.times(rollouts),
});

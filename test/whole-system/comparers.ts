import { conductTaskId } from '#libs/application';
import type { ComparisonBatch } from '#libs/contracts';
import { awaitsParity, isOver, type Rollout } from '#libs/domain';
import { MemoryComparisonIntake, type MemoryEvidenceStore } from '#libs/signals';
import type { Controller } from './controller.js';
import { GOLDEN } from './setting.js';
import type { OpenTasks } from './tasks.js';
import type { Witness } from './witness.js';

/** What whoever compares platforms touches of the world. */
type Surroundings = {
  readonly witness: Witness;
  readonly evidence: MemoryEvidenceStore;
  readonly tasks: OpenTasks;
  readonly chance: () => number;
};

/** Pairs in each round: a few rounds show parity. */
const PAIRS = 60;

/** Does the same work on two platforms for each rollout that waits for it, round by round; some answers come late. */
export class Comparers {
  /** Rollout → how many of the pairs of a round are bad on one side alone. */
  readonly #differing = new Map<string, number>();
  #batches = 0;
  #late: ComparisonBatch[] = [];

  constructor(private readonly world: Surroundings) {}

  pass(told: Controller): void {
    const { chance, evidence, tasks } = this.world;
    const waiting = [...told.view.rollouts.values()]
      .map(({ rollout }) => rollout)
      .filter((rollout) => !isOver(rollout) && awaitsParity(rollout));
    const batches = [...this.#late, ...waiting.map((rollout) => this.#batch(rollout, told))];
    this.#late = [];
    const intake = new MemoryComparisonIntake(evidence.rows, told.exposures);
    for (const batch of batches) {
      // Whoever gets no answer sends again, whether or not it was taken.
      if (chance() < 0.1) this.#late.push(batch);
      if (chance() < 0.05) continue;
      void intake.submit(batch, { token: 'golden' }, told.clock.now());
    }
    if (!told.isDeaf) void tasks.hasten(waiting.map(({ id }) => conductTaskId(id)));
  }

  #batch(rollout: Rollout, { clock }: Controller): ComparisonBatch {
    const { chance, witness } = this.world;
    const differing = this.#differing.get(rollout.id) ?? (chance() < 0.25 ? PAIRS / 4 : chance() < 0.5 ? 1 : 0);
    this.#differing.set(rollout.id, differing);
    this.#batches += 1;
    witness.compared.set(rollout.id, (witness.compared.get(rollout.id) ?? 0) + PAIRS);
    const number = String(this.#batches).padStart(12, '0');
    return {
      batch: `00000000-0000-7000-8000-${number}`,
      comparisons: [
        {
          signal: GOLDEN,
          config: rollout.config,
          revision: rollout.revision,
          left: 'bedrock-us',
          right: 'api-us',
          at: new Date(clock.now()).toISOString(),
          pairs: PAIRS,
          leftOnly: differing,
          rightOnly: 0,
        },
      ],
    };
  }
}

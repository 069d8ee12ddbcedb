import { describe, expect, it } from 'vitest';
import { aRollout, MemoryEvidence, MemorySnapshots, T0 } from '#libs/testing';
import { Evaluator } from './evaluator.js';
import { SnapshotKeeper } from './snapshot-keeper.js';

const { rollout } = aRollout();

/** Outcomes come in, and controllers come and go. */
class Scene {
  readonly evidence = new MemoryEvidence();
  readonly snapshots = new MemorySnapshots();
  readonly errors: unknown[] = [];
  /** After which look each controller began to read. */
  readonly readAfter: number[] = [];
  #at = T0;

  constructor() {
    const readLooks = this.evidence.readLooks.bind(this.evidence);
    this.evidence.readLooks = (id, after) => {
      this.readAfter.push(after);
      return readLooks(id, after);
    };
  }

  controller(snapshots: MemorySnapshots = this.snapshots, writeAfter = 3): Evaluator {
    const onError = (error: unknown): void => void this.errors.push(error);
    const keeper = new SnapshotKeeper(snapshots, { onError, writeAfter, bytesPerSecond: Infinity });
    return new Evaluator(this.evidence, () => undefined, keeper);
  }

  /** Outcomes of a second, and a look at them. The number of the look is left out: each look has its own. */
  async look(evaluator: Evaluator, bad = 1) {
    this.#at += 1_000;
    if (bad > 0)
      this.evidence.serve({
        rollout: rollout.id,
        candidate: { config: rollout.config, revision: 2 },
        target: 'api-us',
        model: 'sonnet',
        shareBp: 100,
        candidateRequests: 20,
        controlRequests: 2_000,
        bad: { 'script-errors': { candidate: bad, control: 10 } },
        at: this.#at,
        ms: 1_000,
      });
    const verdicts = await evaluator.evaluate(rollout, this.#at);
    return verdicts.map((verdict) => ({ ...verdict, look: undefined }));
  }
}

class BrokenSnapshots extends MemorySnapshots {
  override read(): Promise<never> {
    return Promise.reject(new Error('no room'));
  }

  override write(): Promise<never> {
    return Promise.reject(new Error('no room'));
  }
}

describe('a controller that comes later', () => {
  it('rule 12: comes to the same verdicts from a snapshot and the looks after it as from all looks', async () => {
    const scene = new Scene();
    const first = scene.controller();
    for (let n = 0; n < 10; n += 1) await scene.look(first, n % 4);
    const fromSnapshot = await scene.look(scene.controller(), 0);
    const fromLooks = await scene.look(scene.controller(new MemorySnapshots()), 0);
    expect(fromSnapshot).toEqual(fromLooks);
    expect(fromSnapshot).toEqual(await scene.look(first, 0));
    const [after = 0, all] = scene.readAfter;
    expect(after).toBeGreaterThan(5);
    expect(all).toBe(0);
  });

  it('folds all looks where the snapshot is damaged', async () => {
    const scene = new Scene();
    const first = scene.controller();
    for (let n = 0; n < 10; n += 1) await scene.look(first);
    const damaged = await scene.snapshots.read(rollout.id);
    damaged?.fill(0, 40, 50);
    const verdicts = await scene.look(scene.controller(), 0);
    expect(scene.readAfter).toEqual([0]);
    expect(verdicts).toEqual(await scene.look(first, 0));
  });
});

describe('a signal that a source counts, of which nothing has come of control', () => {
  const signals = rollout.plan.signals.map((signal) => ({ ...signal, source: 'otlp' }));
  const counted = { ...rollout, plan: { ...rollout.plan, signals } };
  const judged = async (told: readonly string[]) => {
    const { evidence } = new Scene();
    const slice = { target: 'api-us', model: 'sonnet', candidate: 10, control: 0 };
    const requests = { slices: [], unmeasured: [], samples: [{ signal: 'script-errors', ...slice }] };
    evidence.takeLook = async (_, at) => ({ look: { look: 1, at, digest: '', cells: [] }, requests });
    evidence.told = told;
    const verdicts = await new Evaluator(evidence, () => undefined).evaluate(counted, T0 + 1_000);
    return verdicts.find(({ signal }) => signal === 'script-errors');
  };

  it('is compared with the time before: it has no arms', async () => {
    expect(await judged([])).toMatchObject({ method: 'before-after-v1', verdict: 'inconclusive' });
  });

  it('rule 3: waits for control where its source tells the arms, so that no stage passes meanwhile', async () => {
    const sentence = expect.stringContaining('no request measured on control yet');
    expect(await judged(['script-errors'])).toMatchObject({ verdict: 'not-measured', sentence });
  });
});

describe('snapshots', () => {
  it('are not written of a rollout of which little was seen', async () => {
    const scene = new Scene();
    const controller = scene.controller(scene.snapshots, 4);
    for (let n = 0; n < 3; n += 1) await scene.look(controller);
    expect(scene.snapshots.rollouts).toEqual([]);
    await scene.look(controller);
    expect(scene.snapshots.rollouts).toEqual([rollout.id]);
  });

  it('that can be neither written nor read are in the way of no verdict, and are reported once', async () => {
    const scene = new Scene();
    const broken = scene.controller(new BrokenSnapshots(), 1);
    const sound = new Scene();
    const plain = sound.controller();
    for (let n = 0; n < 4; n += 1) expect(await scene.look(broken, n)).toEqual(await sound.look(plain, n));
    expect(scene.errors.map(String)).toEqual(['Error: no room']);
    expect(await scene.look(scene.controller(new BrokenSnapshots()), 0)).toEqual(await sound.look(plain, 0));
  });

  it('are removed when the rollout is over', async () => {
    const scene = new Scene();
    const controller = scene.controller();
    for (let n = 0; n < 5; n += 1) await scene.look(controller);
    expect(scene.snapshots.rollouts).toEqual([rollout.id]);
    await controller.forget(rollout.id);
    expect(scene.snapshots.rollouts).toEqual([]);
  });
});

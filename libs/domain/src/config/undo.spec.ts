import { describe, expect, it } from 'vitest';
import { numbered, stateAfter } from '#libs/testing';
import type { ConfigEvent } from '../events/index.js';
import { configDecider, planUndo, type Undo, type UndoPlan } from './index.js';

const KEY = 'router.context';
const everywhere = ['api-us', 'api-eu', 'bedrock-us'];

const registered: ConfigEvent = {
  type: 'ConfigRegistered',
  data: { key: KEY, kind: 'quality', assignment: 'unit', description: null, schema: null },
};
const revision = (number: number): ConfigEvent => ({
  type: 'RevisionProposed',
  data: { key: KEY, revision: number, digest: `d${number}`, value: { n: number }, links: [], baseline: number === 1 },
});
const went = (
  candidate: number,
  outcome: 'settled' | 'rolled-back' | 'superseded',
  targets: readonly string[] = everywhere,
  live = candidate,
): readonly ConfigEvent[] => [
  {
    type: 'TargetsClaimed',
    data: { key: KEY, rollout: `ro-${candidate}`, revision: candidate, targets: [...targets] },
  },
  {
    type: 'TargetsReleased',
    data: {
      key: KEY,
      rollout: `ro-${candidate}`,
      revision: candidate,
      targets: [...targets],
      outcome,
      live: Object.fromEntries(targets.map((target) => [target, live])),
    },
  },
];

const undo = (wanted: Undo, ...history: readonly (readonly ConfigEvent[])[]): UndoPlan | string => {
  const events = numbered<ConfigEvent>(registered, [1, 2, 3, 4].map(revision), ...history);
  const state = stateAfter(configDecider, events);
  if (state.status === 'unknown') throw new Error('The config is registered.');
  const planned = planUndo(state, wanted);
  return 'rejection' in planned
    ? `${planned.rejection.code} ${planned.rejection.field}: ${planned.rejection.message}`
    : planned;
};

describe('undo', () => {
  it('takes back what is live, to what was live before, on every target where it settled', () => {
    expect(undo({}, went(2, 'settled'))).toEqual({ revision: 2, to: 1, targets: everywhere });
    expect(undo({}, went(2, 'settled'), went(3, 'settled'))).toEqual({ revision: 3, to: 2, targets: everywhere });
  });

  it('leaves targets alone where it never settled', () => {
    expect(undo({}, went(2, 'settled', ['api-eu']))).toEqual({ revision: 2, to: 1, targets: ['api-eu'] });
    const mixed = undo({ revision: 3 }, went(2, 'settled'), went(3, 'settled', ['api-us']));
    expect(mixed).toEqual({ revision: 3, to: 2, targets: ['api-us'] });
  });

  it('of an undo brings back what was taken back', () => {
    expect(undo({}, went(2, 'settled'), went(1, 'settled'))).toEqual({ revision: 1, to: 2, targets: everywhere });
  });

  it('goes to the revision that is named, whichever it is', () => {
    expect(undo({ to: 4 }, went(2, 'settled'), went(3, 'settled'))).toMatchObject({ revision: 3, to: 4 });
  });

  it('is refused while nothing has settled, and points to abort for what still runs', () => {
    expect(undo({})).toMatch(/^nothing-to-undo \/revision: .*headgate abort/);
    expect(undo({}, went(2, 'rolled-back', everywhere, 1))).toMatch(/^nothing-to-undo/);
  });

  it('names every rollout that still runs, with an advice that can be followed', () => {
    const [one, other] = [went(3, 'settled', ['api-us'])[0], went(4, 'settled', ['api-eu'])[0]];
    if (!one || !other) throw new Error('Nothing was claimed.');
    expect(undo({}, went(2, 'settled'), [one])).toMatch(
      /: Rollout ro-3 of .* still runs: headgate abort router.context/,
    );
    const two = undo({}, went(2, 'settled'), [one], [other]);
    expect(two).toMatch(/: Rollouts ro-3 and ro-4 of .* still run: .* headgate abort and its id/);
  });

  it('asks which revision is meant where targets run different ones', () => {
    const refused = undo({}, went(2, 'settled'), went(3, 'settled', ['api-us']));
    expect(refused).toMatch(/^undo-ambiguous \/revision: .*\(r2, r3\): say which one to take back/);
  });

  it('asks where to go back to where targets came from different revisions', () => {
    const histories = [went(2, 'settled', ['api-us']), went(3, 'settled')];
    expect(undo({}, ...histories)).toMatch(/^undo-ambiguous \/to: .*before r3 \(r1, r2\): say which one to go back to/);
    expect(undo({ to: 1 }, ...histories)).toEqual({ revision: 3, to: 1, targets: everywhere });
  });

  it('of an older revision lists those that settled since, and asks whether they go too', () => {
    const histories = [went(2, 'settled'), went(3, 'settled'), went(4, 'settled', ['api-us'])];
    const refused = undo({ revision: 2 }, ...histories);
    expect(refused).toMatch(/^later-revisions-settled \/to: After r2 .* settled r3, r4: .*\(to\); .*\(revision\)/);
    expect(undo({ revision: 2, to: 1 }, ...histories)).toEqual({ revision: 2, to: 1, targets: everywhere });
  });

  it('leaves out targets that run the wanted revision already', () => {
    const histories = [went(2, 'settled'), went(3, 'settled', ['api-us'])];
    expect(undo({ revision: 2, to: 3 }, ...histories)).toMatchObject({ targets: ['api-eu', 'bedrock-us'] });
    expect(undo({ to: 2 }, went(2, 'settled'))).toMatch(/^revision-already-live \/to: /);
  });

  it('is refused for a revision that settled nowhere, and says which did', () => {
    expect(undo({ revision: 4 }, went(2, 'settled'), went(3, 'settled'))).toMatch(
      /^revision-not-settled \/revision: .*settled are r2, r3\./,
    );
  });

  it('is refused where the revision to go back to does not exist', () => {
    expect(undo({ to: 9 }, went(2, 'settled'))).toMatch(/^revision-not-found \/to: .*its newest is 4/);
  });

  it('takes back what stayed live without having settled, too', () => {
    const left = [went(2, 'superseded'), went(3, 'rolled-back', everywhere, 2)];
    expect(undo({}, ...left)).toEqual({ revision: 2, to: 1, targets: everywhere });
    expect(undo({}, went(3, 'settled'), ...left)).toEqual({ revision: 2, to: 3, targets: everywhere });
  });
});

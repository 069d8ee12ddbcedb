import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Manifest } from '#libs/contracts';
import { loadScenario } from '../scenario/index.js';
import { readManifests } from './change.js';
import { BAD, GOOD, MANIFESTS, PLAN, projectRoot } from './setting.js';

const folder = join(projectRoot(), 'apps/simulator/demo');
const read = async (names: readonly string[]) =>
  (await Promise.all(names.map((name) => readManifests(join(folder, name)))))
    .flat()
    .map((value) => Manifest.parse(value));

describe('The setting of the demo', () => {
  it('has manifests that the contract takes, for exactly the targets and models that the fleets serve', async () => {
    const manifests = await read(MANIFESTS);
    const { targets } = await loadScenario(join(folder, 'scenario.yaml'));
    const registered = manifests.filter((one) => one.kind === 'Target');
    expect(registered.map(({ metadata, spec }) => [metadata.name, spec.platform, spec.labels, spec.models])).toEqual(
      targets.map(({ target, platform, labels, models }) => [
        target,
        platform,
        Object.fromEntries(Object.entries(labels).filter(([label]) => label !== 'platform' && label !== 'target')),
        models.map(({ name }) => name),
      ]),
    );
  });

  it('changes only configs, signals and plans that it has registered', async () => {
    const manifests = await read(MANIFESTS);
    const names = (kind: string): string[] =>
      manifests.flatMap((one) => (one.kind === kind ? [one.metadata.name] : []));
    const { configs, signals, faults } = await loadScenario(join(folder, 'scenario.yaml'));
    expect(configs.map(({ name }) => name).toSorted()).toEqual(names('Config').toSorted());
    expect(signals.map(({ name }) => name).toSorted()).toEqual(names('Signal').toSorted());
    expect(names('Plan')).toEqual([PLAN]);
    for (const act of [GOOD, ...BAD])
      expect((await read([act.file])).map(({ metadata }) => metadata.name)).toEqual([act.config]);
    expect(BAD.map(({ fault }) => fault)).toEqual(faults.map(({ name }) => name));
  });

  it('expects the stages that its plan has', async () => {
    const plan = (await read(['4-plan.yaml'])).find((one) => one.kind === 'Plan');
    const stages = plan?.spec.tracks.map(({ stages: all }) => all.map(({ exposure }) => `${exposure / 100}%`));
    expect(GOOD.expectation).toMatchObject({ tracks: plan?.spec.tracks.map(({ name }) => name), stages: stages?.[0] });
  });
});

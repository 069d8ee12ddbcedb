import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Spec files that take longest on a quiet machine of two cores, longest first. */
const LONGEST = [
  'apps/controller/src/three-stores.integration.spec.ts',
  'test/chaos/database.system.spec.ts',
  'apps/controller/src/start.system.spec.ts',
  'apps/controller/src/lifecycle.integration.spec.ts',
  'libs/postgres/src/embedded/embedded-postgres.system.spec.ts',
  'test/chaos/several-controllers.system.spec.ts',
  'test/system/stop.system.spec.ts',
  'test/chaos/crash-points.system.spec.ts',
  'test/chaos/past-edition.system.spec.ts',
  'test/system/outage.system.spec.ts',
  'test/compatibility/upgrade.integration.spec.ts',
  'libs/event-store/src/tampering.integration.spec.ts',
  'test/system/crash.system.spec.ts',
  'test/system/telemetry.system.spec.ts',
  'test/system/hooks.system.spec.ts',
  'libs/event-store/src/sealer.integration.spec.ts',
  'apps/simulator/src/simulator.system.spec.ts',
  'test/whole-system/planted.spec.ts',
  'test/replay/replay.spec.ts',
  'test/whole-rollout/rest-of-life.spec.ts',
  'libs/domain/src/rollout/rollout.properties.spec.ts',
];

/**
 * The files that take long before all others of their project, so that none of them runs alone at the end. The runner's
 * own order knows how long files take only after a run on the same machine, and goes by their size before.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.indexOf(relative(this.ctx.config.root, moduleId).replaceAll('\\', '/'));
      return at === -1 ? LONGEST.length : at;
    };
    const projects = sorted.map(({ project }) => project.name);
    const place = ({ project }: TestSpecification): number => projects.indexOf(project.name);
    return sorted.toSorted((a, b) => place(a) - place(b) || rank(a) - rank(b));
  }
}

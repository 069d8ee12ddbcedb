import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, world } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase } from '#test/test-database';

export const TARGET = 'api-tpu';

/** A rollout of a config of its own, from revision 1 to 2, that stays at 10% until it is promoted to everything. */
export type Rolling = {
  readonly config: string;
  readonly id: string;
  readonly promote: () => Promise<void>;
  /** Nothing of its target's ruleset changes for it any more. */
  readonly settled: () => Promise<void>;
};

export type Running = {
  readonly controller: InProcess;
  readonly roll: (name: string) => Promise<Rolling>;
  readonly stop: () => Promise<void>;
};

/** A controller on a database of its own, with a target that has traffic. */
export const startRunning = async (env: Readonly<Record<string, string>> = {}): Promise<Running> => {
  const database = await createTestDatabase();
  const controller = await startInProcess(database.url, { env });
  const client = clientOf(controller.operator);
  await client.apply({ manifests: world() });
  const fleet = new TinyFleet(controller.service, [TARGET]).start();
  await until('the target has traffic', () => fleet.counted.has(TARGET));
  const roll = async (name: string): Promise<Rolling> => {
    for (const window of [1, 2]) await client.apply({ manifests: [config(name, { window })] });
    const { id } = await client.start({ config: name, plan: 'holds-at-ten', reason: 'for the test' });
    const serves = (shareBp: number) => (): boolean =>
      fleet.arms(TARGET, name).some((arm) => arm.revision === 2 && arm.shareBp >= shareBp);
    await until('the candidate is served', serves(1_000));
    const promote = async (): Promise<void> => {
      await client.command(id, 'promote', { reason: 'for the test' });
      await until('the candidate has everything', serves(9_000));
    };
    const settled = async (): Promise<void> => void (await reachesStatus(client, id, 'settled'));
    return { config: name, id, promote, settled };
  };
  const stop = async (): Promise<void> => {
    await fleet.stop();
    await controller.stop();
    await database.drop();
  };
  return { controller, roll, stop };
};

import { AT_ONCE, Evaluator, SnapshotKeeper } from '#libs/application';
import { PostgresFoldSnapshots } from '#libs/signals';
import type { Core } from '../../apps/controller/src/composition/core.js';
import { openCore, outcomesOf } from './verdicts-setting.js';

/** What the parent asks of a controller that judges. */
export type Order =
  | { readonly do: 'report'; readonly seed: number; readonly rollouts: number; readonly badPerSlice: number }
  | { readonly do: 'evaluate' }
  | { readonly do: 'stop' };

/** How one rollout stands: enough to see whether two processes have come to the same. */
export type Standing = {
  readonly rollout: string;
  readonly look: number;
  readonly digest: string;
  readonly logE: readonly number[];
  readonly verdicts: Readonly<Record<string, number>>;
};

export type Report =
  | { readonly is: 'ready' }
  | { readonly is: 'reported'; readonly outcomes: number }
  | { readonly is: 'evaluated'; readonly ms: number; readonly cpuMs: number; readonly standings: readonly Standing[] };

const report = async (core: Core, order: Extract<Order, { do: 'report' }>): Promise<number> => {
  const batches = outcomesOf(core, order);
  const receipts = await Promise.all(
    batches.map((batch) => core.intake.submit(batch, { token: 'bench' }, core.clock.now())),
  );
  const refused = receipts.flatMap(({ rejected }) => rejected)[0];
  if (refused) throw new Error(`Outcomes were refused: ${refused.pointer}: ${refused.detail}`);
  return batches.reduce((sum, { windows }) => sum + windows.reduce((all, { bad }) => all + bad.length, 0), 0);
};

const evaluateAll = async (core: Core, evaluator: Evaluator): Promise<Extract<Report, { is: 'evaluated' }>> => {
  const waiting = [...core.view.rollouts.values()].map(({ rollout }) => rollout);
  const standings: Standing[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const work = async (): Promise<void> => {
    for (let rollout = waiting.shift(); rollout !== undefined; rollout = waiting.shift()) {
      const verdicts = await evaluator.evaluate(rollout, core.clock.now());
      const kinds: Record<string, number> = {};
      for (const { verdict } of verdicts) kinds[verdict] = (kinds[verdict] ?? 0) + 1;
      standings.push({
        rollout: rollout.id,
        look: verdicts[0]?.look ?? 0,
        digest: verdicts[0]?.digest ?? '',
        logE: verdicts.map(({ logE }) => logE),
        verdicts: kinds,
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  return { is: 'evaluated', ms, cpuMs: (user + system) / 1_000, standings };
};

const send = (message: Report): void => void process.send?.(message);

const fail = (error: unknown): void => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
};

const main = async (url: string, writeAfter: string | undefined): Promise<void> => {
  const core = await openCore(url);
  const often = writeAfter === undefined ? {} : { writeAfter: Number(writeAfter) };
  const keeper = new SnapshotKeeper(new PostgresFoldSnapshots(core.pool), { onError: fail, ...often });
  const evaluator = new Evaluator(core.evidence, (...which) => core.view.fleet.onTrial(...which), keeper);
  const obey = async (order: Order): Promise<void> => {
    if (order.do === 'report') send({ is: 'reported', outcomes: await report(core, order) });
    else if (order.do === 'evaluate') send(await evaluateAll(core, evaluator));
    else {
      await keeper.close();
      await core.stop();
      process.disconnect();
    }
  };
  process.on('message', (order: Order) => void obey(order).catch(fail));
  send({ is: 'ready' });
};

await main(process.argv[2] ?? '', process.argv[3]);

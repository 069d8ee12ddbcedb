import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Order, Report } from './serving-worker.js';

/** A controller in a process of its own. */
export type Serving = {
  readonly url: string;
  readonly operator: string;
  readonly service: string;
  /** Does what is asked, and gives when it was begun or done, in epoch ms with fractions. */
  readonly ask: (order: Order) => Promise<{ readonly at: number; readonly cpuMs: number }>;
  readonly stop: () => Promise<void>;
};

const nextReport = (child: ChildProcess): Promise<Report> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`The controller process ended with status ${code}.`));
    child.once('exit', ended);
    child.once('message', (report: Report) => {
      child.removeListener('exit', ended);
      resolve(report);
    });
  });

export const startServing = async (databaseUrl: string): Promise<Serving> => {
  const child = fork(fileURLToPath(new URL('./serving-worker.js', import.meta.url)), [databaseUrl]);
  const ready = await nextReport(child);
  if (ready.is !== 'ready') throw new Error('The controller process did not say where it is.');
  return {
    ...ready,
    ask: async (order) => {
      const report = nextReport(child);
      child.send(order);
      const done = await report;
      if (done.is !== 'done') throw new Error('The controller process did not say that it had done it.');
      return done;
    },
    stop: async () => {
      if (!child.connected) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.send({ do: 'stop' } satisfies Order);
      await gone;
    },
  };
};

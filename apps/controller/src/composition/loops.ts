import {
  AUDIT,
  CONDUCT,
  DELIVER,
  TaskLoop,
  type Auditor,
  type Conductor,
  type Deliverer,
  type LiveView,
  type Log,
  type TaskHandlers,
} from '#libs/application';
import type { ClaimedTask, Clock, TaskQueue } from '#libs/kernel';
import { instrument, type Instruments } from './instruments.js';

type Workers = { readonly conductor: Conductor; readonly deliverer: Deliverer; readonly auditor: Auditor };

/** Reading another platform may take as long as its time limits say. */
const AUDIT_LEASE_MS = 60_000;

/** Who does tasks of which kind. A platform that hangs takes no room from what guards and delivers. */
export const loopsOf = (
  { conductor, deliverer, auditor }: Workers,
  {
    queue,
    view,
    clock,
    log,
    reached,
  }: {
    readonly queue: TaskQueue;
    readonly view: LiveView;
    readonly clock: Clock;
    readonly log: Log;
  } & Pick<Instruments, 'reached'>,
) => {
  const auditing = instrument(auditor, reached, { run: 'task:audit' });
  const delivering = instrument(deliverer, reached, { run: 'task:deliver' });
  const conducting = instrument(conductor, reached, { run: 'task:conduct' });
  const now = () => clock.now();
  const lead: TaskHandlers = {
    [DELIVER]: (task: ClaimedTask) => delivering.run(task),
    [CONDUCT]: (task: ClaimedTask) => conducting.run(task),
  };
  const audit: TaskHandlers = { [AUDIT]: (task: ClaimedTask) => auditing.run(task) };
  const leading = new TaskLoop(queue, lead, now, log, { reserved: [CONDUCT] });
  const looking = new TaskLoop(queue, audit, now, log, { leaseMs: AUDIT_LEASE_MS });
  let isSettled = false;
  // Who has no target on another platform does not look for such tasks all the time.
  const look = (): void => {
    if (isSettled || [...view.fleet.targets.values()].every(({ driver }) => driver === 'pull')) return;
    isSettled = true;
    looking.start();
  };
  const start = (): void => {
    leading.start();
    look();
    view.onEvent(({ type }) => {
      if (type === 'TargetRegistered') look();
    });
  };
  const stop = (): Promise<unknown> => {
    isSettled = true;
    return Promise.all([leading.stop(), looking.stop()]);
  };
  return { start, stop };
};

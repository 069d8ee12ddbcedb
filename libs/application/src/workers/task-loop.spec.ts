import { describe, expect, it, vi } from 'vitest';
import { TaskQueue, type ClaimedTask } from '#libs/kernel';
import { AT_ONCE, TaskLoop } from './task-loop.js';

const task = (token: string): ClaimedTask => ({
  id: 'conduct/one',
  kind: 'conduct',
  dueAt: 0,
  payload: {},
  token,
  attempts: 1,
  leaseUntil: 0,
});

/** Hands out what it is given, whatever is still being done: as a database does whose answers overtake each other. */
class GivenTasks extends TaskQueue {
  readonly waiting: ClaimedTask[] = [];
  readonly givenBack: string[] = [];
  async add(): Promise<void> {}
  async claim(kinds: readonly string[], most: number): Promise<readonly ClaimedTask[]> {
    const taken = this.waiting.filter(({ kind }) => kinds.includes(kind)).slice(0, most);
    for (const each of taken) this.waiting.splice(this.waiting.indexOf(each), 1);
    return taken;
  }
  async complete({ token }: ClaimedTask): Promise<boolean> {
    this.givenBack.push(token);
    return true;
  }
  async reschedule(): Promise<boolean> {
    return true;
  }
  async hasten(): Promise<void> {}
  onDue(): () => void {
    return () => undefined;
  }
}

const quiet = { info: () => undefined, error: () => undefined };

describe('The task loop', () => {
  it('does a task that it was given again while doing it once more afterwards, never twice at once', async () => {
    const queue = new GivenTasks();
    const finish: (() => void)[] = [];
    let atOnce = 0;
    let most = 0;
    const run = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise<void>((resolve) => finish.push(resolve));
      atOnce -= 1;
      return { kind: 'done' } as const;
    };
    const loop = new TaskLoop(queue, { conduct: run }, () => 0, quiet);
    queue.waiting.push(task('first'));
    loop.start();
    await vi.waitFor(() => expect(finish).toHaveLength(1));
    queue.waiting.push(task('second'));
    loop.wake();
    await vi.waitFor(() => expect(queue.waiting).toEqual([]));
    finish[0]?.();
    await vi.waitFor(() => expect(finish).toHaveLength(2));
    finish[1]?.();
    await loop.stop();
    expect(queue.givenBack).toEqual(['first', 'second']);
    expect(most).toBe(1);
  });

  it('finds room for what guards, however many deliveries hang', async () => {
    const queue = new GivenTasks();
    const hanging: (() => void)[] = [];
    const hang = () => new Promise<{ kind: 'done' }>((resolve) => hanging.push(() => resolve({ kind: 'done' })));
    const guarded: string[] = [];
    const guard = async ({ id }: ClaimedTask) => {
      guarded.push(id);
      return { kind: 'done' } as const;
    };
    const loop = new TaskLoop(queue, { deliver: hang, conduct: guard }, () => 0, quiet, { reserved: ['conduct'] });
    for (let n = 0; n < 200; n += 1) queue.waiting.push({ ...task(`d${n}`), id: `deliver/${n}`, kind: 'deliver' });
    loop.start();
    await vi.waitFor(() => expect(hanging).toHaveLength(AT_ONCE));
    queue.waiting.push({ ...task('guard'), id: 'conduct/two' });
    loop.wake();
    await vi.waitFor(() => expect(guarded).toEqual(['conduct/two']));
    expect(hanging).toHaveLength(AT_ONCE);
    queue.waiting.length = 0;
    const stopped = loop.stop();
    for (const done of hanging) done();
    await stopped;
  });

  it('waits for what it is doing when it is stopped, and takes nothing more', async () => {
    const queue = new GivenTasks();
    let finish: (() => void) | undefined;
    const run = async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return { kind: 'done' } as const;
    };
    const loop = new TaskLoop(queue, { conduct: run }, () => 0, quiet);
    queue.waiting.push(task('first'));
    loop.start();
    await vi.waitFor(() => expect(finish).toBeDefined());
    const stopped = loop.stop();
    queue.waiting.push(task('second'));
    finish?.();
    await stopped;
    expect(queue.givenBack).toEqual(['first']);
    expect(queue.waiting).toHaveLength(1);
  });
});

import { describe, expect, it, vi } from 'vitest';
import { TaskQueue, type ClaimedTask } from '#libs/kernel';
import { TaskLoop } from './task-loop.js';

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
  async claim(): Promise<readonly ClaimedTask[]> {
    return this.waiting.splice(0);
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

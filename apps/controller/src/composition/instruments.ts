import type { Pool, PoolClient } from 'pg';
import type { AppendRequest, ClaimedTask, Task } from '#libs/kernel';

/** What a test may put into a controller. A controller that runs for its users has none of it. */
export type Instruments = {
  /** Called at `<step>:before` and `<step>:after` of every step towards the outside, and in the middle of some. */
  readonly reached?: (point: string) => void;
  /** How far this controller's clock is ahead of the machine's, in milliseconds. */
  readonly clockOffsetMs?: number;
  /** When the folded view is kept, and what stands for the code that folds it. */
  readonly keepsView?: { readonly every?: number; readonly restMs?: number; readonly fold?: string };
  /** Number of the way in which the past is kept, as if this were another version. */
  readonly pastFold?: number;
  /** How long after the past was made anew it is looked whether it has to be again, in milliseconds. */
  readonly remakesAgainMs?: number | undefined;
};

type Reached = Instruments['reached'];
type Naming = (...args: never[]) => string;

/** The same object, whose named methods say when they begin and when they have ended. */
export const instrument = <T extends object>(
  subject: T,
  reached: Reached,
  steps: { readonly [K in keyof T]?: string | Naming },
): T => {
  if (reached === undefined) return subject;
  return new Proxy(subject, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      const step = steps[property as keyof T];
      if (step === undefined) return member.bind(target);
      return async (...args: never[]): Promise<unknown> => {
        const name = typeof step === 'string' ? step : step(...args);
        reached(`${name}:before`);
        const result: unknown = await member.apply(target, args);
        reached(`${name}:after`);
        return result;
      };
    },
  });
};

const firstWords = (statement: string | { readonly text: string }): string => {
  const text = typeof statement === 'string' ? statement : statement.text;
  return text.trim().toLowerCase().split(/\s+/, 3).join(' ').replace(/\(.*/, '');
};

/** A pool whose connections and statements say when they begin and end: the insides of a transaction, too. */
export const instrumentPool = (pool: Pool, name: string, reached: Reached): Pool => {
  if (reached === undefined) return pool;
  const query = (statement: string | { readonly text: string }): string => `${name}(${firstWords(statement)})`;
  return new Proxy(pool, {
    get: (target, property) => {
      if (property === 'connect')
        return async (): Promise<PoolClient> => instrument(await target.connect(), reached, { query });
      const member: unknown = Reflect.get(instrument(target, reached, { query }), property);
      return member;
    },
  });
};

const unique = (names: readonly string[]): string => [...new Set(names)].join('+') || 'check';

/** The names of an append and of task steps tell what they are about, so that a run can be stopped at the same place. */
export const appendStep = ({ streams }: AppendRequest): string =>
  `append(${unique(streams.flatMap(({ events }) => events.map(({ type }) => type)))})`;
export const taskStep =
  (step: string) =>
  ({ kind }: ClaimedTask): string =>
    `${step}(${kind})`;
export const tasksStep =
  (step: string) =>
  (_connection: unknown, tasks: readonly Task[]): string =>
    `${step}(${unique(tasks.map(({ kind }) => kind))})`;

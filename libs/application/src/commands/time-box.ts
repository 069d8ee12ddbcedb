import { createContext, Script } from 'node:vm';

const sandbox = createContext({ work: (): void => undefined });
const script = new Script('work()');

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

type Result<T> = { readonly done: T } | 'late' | 'endless';

const attempt = <T>(ms: number, work: () => T): Result<T> => {
  const result: { done?: T } = {};
  sandbox['work'] = () => void (result.done = work());
  try {
    script.runInContext(sandbox, { timeout: ms });
  } catch (error) {
    if (codeOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'late';
    if (error instanceof RangeError) return 'endless';
    throw error;
  } finally {
    sandbox['work'] = undefined;
  }
  return { done: result.done as T };
};

/** The clock of the wall stops work; on a machine that is busy with others it stops it before it was its turn. */
const MOST_ATTEMPTS = 4;

const computedMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Does work that does not wait for anything, and stops it where it stands after a time: whoever works on a text that a
 * stranger wrote would otherwise keep this process from everything else. Work that did not get half of that time from the
 * machine is done anew, with twice the time. `late` also stands for work without end that ran out of stack. Throws what
 * the work throws.
 */
export const withinTime = <T>(ms: number, work: () => T): { readonly done: T } | 'late' => {
  for (let tries = 0; tries < MOST_ATTEMPTS; tries += 1) {
    const before = computedMs();
    const result = attempt(ms * 2 ** tries, work);
    if (typeof result === 'object') return result;
    if (result === 'endless' || computedMs() - before >= ms / 2) return 'late';
  }
  return 'late';
};

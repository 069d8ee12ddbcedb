import { createContext, Script } from 'node:vm';

const sandbox = createContext({ work: (): void => undefined });
const script = new Script('work()');

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Of the time that passed this share at least was the work's own, where it is the work that is too slow. */
const OWN_SHARE = 0.4;
const TRIES = 3;

/**
 * Does work that does not wait for anything, and stops it where it stands after a time: whoever works on a text that a
 * stranger wrote would otherwise keep this process from everything else. `late` also stands for work without end that
 * ran out of stack. Where a busy machine gave this process little of the time, the work is begun again, at most twice.
 * Throws what the work throws.
 */
export const withinTime = <T>(ms: number, work: () => T, tries = TRIES): { readonly done: T } | 'late' => {
  const result: { done?: T } = {};
  const before = process.cpuUsage();
  sandbox['work'] = () => void (result.done = work());
  try {
    script.runInContext(sandbox, { timeout: ms });
  } catch (error) {
    if (error instanceof RangeError) return 'late';
    if (codeOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    const { user, system } = process.cpuUsage(before);
    if (tries <= 1 || user + system > OWN_SHARE * ms * 1_000) return 'late';
  } finally {
    sandbox['work'] = undefined;
  }
  return 'done' in result ? { done: result.done as T } : withinTime(ms, work, tries - 1);
};

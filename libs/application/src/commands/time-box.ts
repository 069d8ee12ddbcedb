import { createContext, Script } from 'node:vm';

const sandbox = createContext({ work: (): void => undefined });
const script = new Script('work()');

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/**
 * Does work that does not wait for anything, and stops it where it stands after a time: whoever works on a text that a
 * stranger wrote would otherwise keep this process from everything else. `late` also stands for work without end that
 * ran out of stack. Throws what the work throws.
 */
export const withinTime = <T>(ms: number, work: () => T): { readonly done: T } | 'late' => {
  const result: { done?: T } = {};
  sandbox['work'] = () => void (result.done = work());
  try {
    script.runInContext(sandbox, { timeout: ms });
  } catch (error) {
    if (error instanceof RangeError || codeOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'late';
    throw error;
  } finally {
    sandbox['work'] = undefined;
  }
  return { done: result.done as T };
};

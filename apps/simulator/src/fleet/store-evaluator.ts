import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { evaluateWith, generationOf, silent, type Evaluator } from './evaluator.js';
import type { Reader } from './store-readers.js';

export type StoreEvaluatorOptions = {
  readonly reader: Reader;
  /** Where what was read is kept: the source of flagd's provider. */
  readonly path: string;
  readonly configs: readonly string[];
  /** The ruleset changed. */
  readonly onChange: () => void;
  readonly onSource: (source: 'store' | 'none') => void;
};

/** AppConfig's readers keep to its own interval besides; Parameter Manager takes 1,200 requests a minute. */
const POLL_MS = 400;
/** After a store that did not answer. */
const AGAIN_MS = 500;
const FIRST_MS = 15_000;

/**
 * As a sidecar and flagd's file source do it: what the store has is kept in a file by one rename, and the official
 * provider evaluates in process with it. The provider looks at its file once in five seconds; here it is made anew for
 * each ruleset, which takes milliseconds. Rejects when the store has none within 15 s.
 */
export const createStoreEvaluator = async (options: StoreEvaluatorOptions): Promise<Evaluator> => {
  const { reader, path, configs } = options;
  let current: FlagdProvider | undefined;
  let isClosed = false;

  const take = async (text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    const next = new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: path }, silent);
    await next.initialize();
    const before = current;
    current = next;
    await before?.onClose();
    options.onSource('store');
    options.onChange();
  };
  const poll = async (): Promise<void> => {
    while (!isClosed) {
      const pause = await reader().then(
        async (text) => {
          if (text !== undefined) await take(text);
          return POLL_MS;
        },
        // The ruleset at hand stays in use.
        () => AGAIN_MS,
      );
      await sleep(pause, undefined, { ref: false });
    }
  };
  const polling = poll();
  const deadline = Date.now() + FIRST_MS;
  while (current === undefined && Date.now() < deadline) await sleep(50);
  if (current === undefined) {
    isClosed = true;
    throw new Error(`The store has given no ruleset within ${FIRST_MS / 1_000} s.`);
  }
  const provider = (): FlagdProvider => current as FlagdProvider;
  return {
    evaluate: (wanted, contexts) => evaluateWith(provider(), wanted, contexts),
    generation: () => generationOf(provider(), configs),
    close: async () => {
      isClosed = true;
      await polling;
      await current?.onClose();
    },
  };
};

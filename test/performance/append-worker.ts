import { appendOnce, openStore } from './append.js';

const CALLERS = 64;

/** One of two processes that append at once; prints how many appends were acknowledged. */
const main = async (url: string, seconds: number): Promise<void> => {
  const { store, pool } = openStore(url);
  let done = 0;
  const end = performance.now() + seconds * 1_000;
  const call = async () => {
    while (performance.now() < end) {
      await appendOnce(store, done);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  await pool.end();
  process.stdout.write(String(done));
};

await main(process.argv[2] ?? '', Number(process.argv[3]));

import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks of a processor in a second, as Linux counts them for processes. */
const TICKS = 100;

type Stat = { readonly parent: number; readonly seconds: number; readonly ofChildren: number };

const statOf = (pid: string): Stat | undefined => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const [parent, own, children] = [
      Number(fields[1]),
      Number(fields[11]) + Number(fields[12]),
      Number(fields[13]) + Number(fields[14]),
    ];
    return { parent, seconds: own / TICKS, ofChildren: children / TICKS };
  } catch {
    // It has ended since its name was read.
    return undefined;
  }
};

/** CPU seconds of this process, of all below it, and of those of them that have ended; undefined where there is no /proc. */
export const cpuOfAll = (): number | undefined => {
  if (!existsSync('/proc/self/stat')) return undefined;
  const stats = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        const stat = statOf(pid);
        return stat ? [[Number(pid), stat] as const] : [];
      }),
  );
  const mine = new Set([process.pid]);
  for (let grown = true; grown;) {
    const before = mine.size;
    for (const [pid, { parent }] of stats) if (mine.has(parent)) mine.add(pid);
    grown = mine.size > before;
  }
  return [...mine].reduce((sum, pid) => {
    const stat = stats.get(pid);
    return sum + (stat ? stat.seconds + stat.ofChildren : 0);
  }, 0);
};

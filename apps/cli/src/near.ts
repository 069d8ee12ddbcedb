/** How many letters must be put in, left out or replaced to get from one word to the other. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};

/** The words that may have been meant, in their order: those that hold what was written, or differ from it in a few letters. */
export const nearTo = (written: string, known: readonly string[]): readonly string[] => {
  const wanted = written.toLowerCase();
  return known.filter((word) => {
    const candidate = word.toLowerCase();
    const holds = wanted.length >= 3 && candidate.includes(wanted);
    return holds || distance(wanted, candidate) <= Math.min(3, Math.floor(wanted.length / 3));
  });
};

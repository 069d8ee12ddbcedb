/** Circles in a graph, each as the path around it that ends where it began. Every knot of files gives one circle. */
export const findCycles = (graph: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] => {
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: (readonly string[])[] = [];
  const walk = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) {
      cycles.push([...path.slice(at), node]);
      return;
    }
    if (done.has(node)) return;
    path.push(node);
    for (const next of graph.get(node) ?? []) walk(next);
    path.pop();
    done.add(node);
  };
  for (const node of graph.keys()) walk(node);
  return cycles;
};

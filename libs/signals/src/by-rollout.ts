/** Rows of many rollouts, each with its own. */
export const byRollout = <R extends { readonly rollout: string }>(
  rows: readonly R[],
): ReadonlyMap<string, readonly R[]> => {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const group = groups.get(row.rollout);
    if (group === undefined) groups.set(row.rollout, [row]);
    else group.push(row);
  }
  return groups;
};

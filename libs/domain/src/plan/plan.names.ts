export const stageName = (exposureBp: number): string => `${Number((exposureBp / 100).toFixed(2))}%`;

/** `api/50%`, or a track alone, which means all of it. */
export const afterOf = (after: string): { readonly track: string; readonly stage: string } => {
  const slash = after.indexOf('/');
  return slash < 0 ? { track: after, stage: '100%' } : { track: after.slice(0, slash), stage: after.slice(slash + 1) };
};

/** A quantity over time: straight lines between its points, or steps at them. Before the first point it is 0. */
export type Curve = {
  readonly shape: 'linear' | 'step';
  /** In order of time; the last value holds for ever. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
};

export const constant = (value: number, from = Number.NEGATIVE_INFINITY): Curve => ({
  shape: 'step',
  points: [{ at: from, value }],
});

/** The value of a curve at a time. */
export const valueAt = ({ shape, points }: Curve, at: number): number => {
  let before: Curve['points'][number] | undefined;
  for (const point of points) {
    if (point.at > at) {
      if (before === undefined) return 0;
      if (shape === 'step') return before.value;
      return before.value + ((point.value - before.value) * (at - before.at)) / (point.at - before.at);
    }
    before = point;
  }
  return before?.value ?? 0;
};

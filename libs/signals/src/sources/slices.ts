import type { Arms } from '#libs/contracts';
import type { Point } from './asked.js';

/** What a platform counts under one id: a model on a target, on one arm where the arms have ids of their own. */
export type Slice = {
  readonly id: string;
  readonly key: string;
  readonly model: string;
  readonly arm: Point['arm'];
};

/** The slices that a signal asks for, those of arms or else those of models. */
export const slicesOf = ({
  models,
  arms,
}: {
  readonly models?: Readonly<Record<string, string>> | undefined;
  readonly arms?: Arms | undefined;
}): readonly Slice[] => [
  ...Object.entries(models ?? {}).map(([model, id]): Slice => ({ id, key: model, model, arm: undefined })),
  ...Object.entries(arms ?? {}).flatMap(([config, variants]) =>
    Object.entries(variants).flatMap(([variant, ids]) =>
      Object.entries(ids).map(([model, id]): Slice => ({
        id,
        key: `${config}/${variant}/${model}`,
        model,
        arm: { config, variant, generation: undefined },
      })),
    ),
  ),
];

/** The place of a slice on its target, for a point. */
export const placeOf = (target: string, { key, model, arm }: Slice): Omit<Point, 'requests' | 'bad' | 'values'> => ({
  key: `${target}/${key}`,
  target,
  model,
  arm,
  bucket: undefined,
});

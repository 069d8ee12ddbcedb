import { placeInDraw, sizeOfDraw, type Exposure } from './exposure.js';
import type { Facts, InstanceCellFact } from './facts.js';
import type { WindowScope } from './window-scope.js';

/** Counts what the instance of a window served, where instances were drawn; where all serve the same there is no evidence. */
export const addInstanceCell = (
  { target, model, instance }: WindowScope,
  { rollout, shareBp, draw }: Exposure,
  signal: string,
  counted: Pick<InstanceCellFact, 'kind' | 'count' | 'sum'>,
  { instanceCells }: Facts,
): void => {
  if (draw === null) return;
  const place = placeInDraw(draw, instance);
  const drawn = sizeOfDraw(draw);
  instanceCells.push({ rollout, signal, target, model, shareBp, instance, place, drawn, ...counted });
};

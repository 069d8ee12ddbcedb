import type { Planted } from '../play.js';

/** A fault that might have been made, and the rule that it breaks. */
export type PlantedFault = {
  readonly rule: number;
  readonly what: string;
  readonly planted: Planted;
  /** Of a run that shows it, unless the first one does. */
  readonly seed?: number;
  /** What is found, where another rule of the same number may find it too. */
  readonly says?: RegExp;
};

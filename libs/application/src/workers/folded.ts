import { hash } from 'node:crypto';
import { foldPools, startPools, type EvidencePool, type Rollout } from '#libs/domain';
import type { StoredLook } from '../ports.js';
import { SliceTable } from './slice-table.js';

/** What the looks of one rollout have told so far. Folding changes it in place. */
export type Folded = {
  readonly pools: readonly EvidencePool[];
  readonly counts: SliceTable;
  /** The last look folded in; 0 before the first. */
  look: number;
  /** Chained over the digests of all looks that saw something. */
  digest: string;
  /** Cells folded since it was last written down. */
  unwritten: number;
};

export const startFolded = (rollout: Rollout): Folded => ({
  pools: startPools(rollout),
  counts: new SliceTable(rollout.plan.signals),
  look: 0,
  digest: '',
  unwritten: 0,
});

/** Digest of all looks up to one: that of those before it and its own. */
export const chainedDigest = (before: string, look: string): string => hash('sha256', before + look);

/** Folds a look in; one that is not newer than the last changes nothing. */
export const foldIn = (folded: Folded, look: StoredLook): void => {
  if (look.look <= folded.look) return;
  foldPools(folded.pools, look);
  folded.look = look.look;
  folded.unwritten += look.cells.length;
  folded.counts.addBad(look);
  if (look.cells.length > 0) folded.digest = chainedDigest(folded.digest, look.digest);
};

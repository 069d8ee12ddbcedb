import type { JSX } from 'react';
import { diffJson, type ConfigView } from '#libs/contracts';
import { DiffTable } from '../../parts/diff.js';

type Props = { readonly config: ConfigView; readonly revision: number; readonly control: number };

/** What the change changes. */
export const ValueChanges = ({ config, revision, control }: Props): JSX.Element | null => {
  const valueOf = (wanted: number): unknown => config.revisions.find((each) => each.revision === wanted)?.value;
  return (
    <DiffTable changes={diffJson(valueOf(control), valueOf(revision))} before={`r${control}`} after={`r${revision}`} />
  );
};

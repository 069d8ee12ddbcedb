import { replay } from '#libs/domain';
import type { Look } from '../look.js';
import { replayData } from './data.js';
import { replayPage } from './page.js';
import { readScript } from './script.js';
import { renderReplay } from './terminal.js';

/** A replay that was run, in the forms in which it can be shown. */
export interface Played {
  readonly data: unknown;
  readonly text: (look: Look) => string;
  readonly names: readonly string[];
  /** One self-contained HTML page. */
  readonly page: () => string;
  /** Expectations that did not come true, a line each. */
  readonly missed: readonly string[];
}

/** Reads a script and runs it, with another seed where one is given. Throws a usage error for a wrong script. */
export const replayScript = (file: string, text: string, seed?: number): Played => {
  const { scenario, sources } = readScript(file, text);
  const report = replay(seed === undefined ? scenario : { ...scenario, seed });
  return {
    data: replayData(report, sources),
    text: (look) => renderReplay(report, look),
    names: report.changes.map(({ change, plan, isComparison }) => `change/${change}${isComparison ? `/${plan}` : ''}`),
    page: () => replayPage(report, sources),
    missed: report.checks.filter(({ met }) => !met).map(({ claim, found }) => `${claim}: ${found}`),
  };
};

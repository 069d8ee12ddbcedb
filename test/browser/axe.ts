import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type Found = {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
};

/** What axe finds on the page that keeps people out: rule, place and why. */
export const seriousFaults = async (page: Page): Promise<readonly string[]> => {
  // Evaluated by the debugger, which the policy of the page does not bind.
  await page.evaluate(SOURCE);
  const { violations } = (await page.evaluate("axe.run({ resultTypes: ['violations'] })")) as Found;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => {
      const [first] = nodes;
      return `${id} in ${nodes.length} places, such as ${first?.html.slice(0, 200)}: ${first?.failureSummary ?? ''}`;
    });
};

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '#libs/contracts';

const FOLDER = 'docs/how-to';
/** Pages by which something outside Headgate gets rulesets from it. */
const CLIENTS = readdirSync(FOLDER).filter((name) => /^(?:connect|deliver|split)-/.test(name));

/** What stands between the title and the first section. */
const opening = (page: string): string => readFileSync(`${FOLDER}/${page}`, 'utf8').split('\n\n')[1] ?? '';

describe('the pages by which clients are connected', () => {
  it('are there for every driver', () => {
    expect(CLIENTS).toHaveLength(DRIVERS.length);
  });

  it.each(CLIENTS)('%s says first what an outage of Headgate does to that client', (page) => {
    expect(opening(page)).toMatch(/^\*\*What an outage of Headgate does to your [a-z]+: nothing\.\*\* .+/s);
    expect(opening(page)).toContain('no request waits for Headgate');
    expect(opening(page)).toContain('nothing is taken back until a controller is up again');
    expect(opening(page)).toContain('(outage.md)');
  });
});

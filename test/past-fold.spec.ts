import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LiveView, PAST_FOLD, pastOf } from '#libs/application';
import { eventCodec } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import { linesOf } from './compatibility/database/golden.js';

const RELEASE = join(import.meta.dirname, 'compatibility/database/d9e1f90');

/** The digest of all that the log of a release adds to the past, by this number of `PAST_FOLD`. */
const KNOWN = { fold: 1, digest: '876c955e6b93c89e13310133be2809264f1ce91a20b2008d3e999f48506b61ba' };

describe('The number of the way in which the past is kept', () => {
  it('goes up with every change of what events add, so that controllers make it anew: raise PAST_FOLD, then change both here', () => {
    const view = new LiveView();
    const hash = createHash('sha256');
    for (const line of linesOf(RELEASE, 'event_store.events')) {
      const event = eventCodec.decode(JSON.parse((JSON.parse(line) as string[])[4] ?? '') as RecordedEvent);
      view.apply(event);
      hash.update(JSON.stringify(pastOf(view, event)));
    }
    expect({ fold: PAST_FOLD, digest: hash.digest('hex') }).toEqual(KNOWN);
  });
});

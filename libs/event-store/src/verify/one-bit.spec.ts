import { describe, expect, it } from 'vitest';
import { canonicalJson, leafHash } from '../canonical.js';
import { checkpointText, parseCheckpoint } from '../seal/checkpoint.js';
import { newSigner, signNote } from '../seal/note.js';
import { Frontier } from '../tree/frontier.js';
import { LogVerifier, thoroughWhereAltered } from './log-verifier.js';
import { headsSource } from './sources.js';

const signer = newSigner('headgate.dev/log/spec');
const EVENTS = 3;
/** Two or three bits of each byte, and over some bytes each of the eight. */
const STRIDE = 3;

const bodies = Array.from({ length: EVENTS }, (_, n) =>
  canonicalJson({
    data: { n, text: 'é "x"\n', list: [1.5, null] },
    eventId: `e-${n}`,
    metadata: { actor: { kind: 'person', name: 'ada' }, precision: 'instant' },
    position: n + 1,
    recordedAt: '2026-11-22T10:00:00.000Z',
    schemaVersion: 1,
    streamId: `s-${n % 2}`,
    streamVersion: Math.floor(n / 2) + 1,
    type: 'Counted',
  }),
);
const leaves = bodies.map(leafHash);
const whole = Buffer.from(`${bodies.join('\n')}\n`);

const checkpointOf = (size: number): string => {
  const frontier = new Frontier();
  for (const leaf of leaves.slice(0, size)) frontier.append(leaf);
  return signNote(
    checkpointText({ origin: signer.name, size, root: frontier.root(), signedAt: '2026-11-22T10:00:01.000Z' }),
    signer,
  );
};

const verify = async (bytes: Buffer, checkpoint: string, thorough = true) => {
  const head = { ...parseCheckpoint(checkpoint), from: 'kept', outside: true };
  const verifier = new LogVerifier({ keys: [signer], chain: [], sources: [headsSource([head])], thorough });
  await verifier.take(bytes.at(-1) === 10 ? bytes : Buffer.concat([bytes, Buffer.from('\n')]));
  return verifier.finish();
};

describe('rule 9: one altered bit', () => {
  it('is nowhere in a log that fits', async () => {
    expect(await verify(whole, checkpointOf(EVENTS))).toMatchObject({
      verdict: 'anchored',
      faults: [],
      sealed: { size: EVENTS },
    });
  });

  it('is nowhere either where only the head over the events is asked', async () => {
    const report = await verify(whole, checkpointOf(EVENTS), false);
    expect(report).toEqual(await verify(whole, checkpointOf(EVENTS)));
  });

  it('of an export is found, wherever it is, and the event that it is in is named or among those that are', async () => {
    const head = checkpointOf(EVENTS);
    const lengths = bodies.map((body) => Buffer.byteLength(body) + 1);
    for (let bit = 0; bit < whole.length * 8; bit += STRIDE) {
      const altered = Buffer.from(whole);
      const byte = bit >> 3;
      altered[byte] = (altered[byte] ?? 0) ^ (1 << (bit & 7));
      let position = 1;
      for (let start = 0; position <= EVENTS && start + (lengths[position - 1] ?? 0) <= byte; position += 1)
        start += lengths[position - 1] ?? 0;
      const { verdict, first } = await thoroughWhereAltered((thorough) => verify(altered, head, thorough));
      expect(verdict, `bit ${bit}`).toBe('altered');
      const { from = 0, to = 0 } = first ?? {};
      expect(from <= position && position <= to, `bit ${bit} of event ${position}: ${from} to ${to}`).toBe(true);
    }
  }, 60_000);

  it('of a checkpoint is found: it is no checkpoint any more, or not signed, or not of this log', async () => {
    const head = Buffer.from(checkpointOf(EVENTS));
    for (let bit = 0; bit < head.length * 8; bit += STRIDE) {
      const altered = Buffer.from(head);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = altered.toString();
      const outcome = await verify(whole, text).then(
        ({ verdict }) => verdict,
        () => 'unreadable',
      );
      expect(['altered', 'unreadable'], `bit ${bit}`).toContain(outcome);
    }
  });
});

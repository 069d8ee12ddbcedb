import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  canonicalBody,
  checkpointText,
  Frontier,
  headsSource,
  leafHash,
  LogVerifier,
  newSigner,
  parseCheckpoint,
  signNote,
} from '#libs/event-store';
import { play } from './play.js';
import { runs } from './steps.js';

const SEED = 20_250_805;
const PLAYED = 8;
const TIMEOUT_MS = 60_000;

const signer = newSigner('headgate.dev/log/played');

/** The logs of some runs of the whole system, event by event as their exact bytes. */
const logs: (readonly string[])[] = [];

beforeAll(async () => {
  for (const run of fc.sample(runs, { seed: SEED, numRuns: PLAYED })) {
    const { events } = await play(run);
    logs.push(events.map(canonicalBody));
  }
}, TIMEOUT_MS);

/** The head of the first events of a log, as the sealer signs it. */
const headOf = (bodies: readonly string[], size: number) => {
  const frontier = new Frontier();
  for (const body of bodies.slice(0, size)) frontier.append(leafHash(body));
  const signedAt = '2025-09-01T12:00:00.000Z';
  const text = checkpointText({ origin: signer.name, size, root: frontier.root(), signedAt });
  return { ...parseCheckpoint(signNote(text, signer)), from: 'kept', outside: true };
};

/** What a verifier says that holds these heads of the log as it was, each from another time. */
const verify = async (log: readonly string[], heads: readonly ReturnType<typeof headOf>[]) => {
  const verifier = new LogVerifier({ keys: [signer], chain: [], sources: heads.map((head) => headsSource([head])) });
  if (log.length > 0) await verifier.take(Buffer.from(`${log.join('\n')}\n`));
  return verifier.finish();
};

/** What somebody with the database does to a log; `at` and `other` are places of it. */
const ALTERATIONS: Readonly<Record<string, (log: string[], at: number, other: number) => void>> = {
  'one bit is turned': (log, at, other) => {
    const bytes = Buffer.from(log[at] ?? '');
    const byte = other % bytes.length;
    bytes[byte] = (bytes[byte] ?? 0) ^ 1;
    log[at] = bytes.toString('latin1');
  },
  'an event is removed': (log, at) => void log.splice(at, 1),
  'an event is there twice': (log, at) => void log.splice(at, 0, log[at] ?? ''),
  'two events change places': (log, at, other) => {
    [log[at], log[other]] = [log[other] ?? '', log[at] ?? ''];
  },
  'the end is cut off': (log, at) => void log.splice(at),
  'a reason is written anew, and every place after it fits': (log, at) => {
    log[at] = (log[at] ?? '').replace(/"name":"[^"]*"/, '"name":"somebody else"');
  },
};

const places = fc.tuple(fc.nat(PLAYED - 1), fc.nat(), fc.nat(), fc.nat());

describe('rule 9: the log of any run of the whole system', () => {
  it('fits every head that was signed while it grew', async () => {
    for (const log of logs) {
      const sizes = [1, Math.ceil(log.length / 2), log.length];
      expect(
        await verify(
          log,
          sizes.map((size) => headOf(log, size)),
        ),
      ).toMatchObject({ verdict: 'anchored', faults: [] });
    }
  });

  it.each(Object.keys(ALTERATIONS))(
    'is found altered by whoever holds one of its heads, where %s before that head',
    async (name) => {
      const property = fc.asyncProperty(places, async ([which, sized, first, second]) => {
        const log = logs[which] ?? [];
        const size = 2 + (sized % (log.length - 1));
        const [at, other] = [first % size, second % size];
        const altered = [...log];
        ALTERATIONS[name]?.(altered, at, other);
        fc.pre(altered.length !== log.length || altered.some((body, place) => body !== log[place]));
        const { verdict, first: fault } = await verify(altered, [headOf(log, size)]);
        expect(verdict).toBe('altered');
        expect(fault?.from).toBeLessThanOrEqual(size + 1);
      });
      await fc.assert(property, { seed: SEED, numRuns: 40 });
    },
    TIMEOUT_MS,
  );

  it('is not found altered after the last head that is held: the tail is named by its first position', async () => {
    for (const log of logs) {
      const size = Math.floor(log.length / 2);
      const { verdict, unsealedFrom } = await verify(log, [headOf(log, size)]);
      expect([verdict, unsealedFrom]).toEqual(['anchored', size + 1]);
    }
  });
});

import {
  asHeadgateEvent,
  configStream,
  rolloutDecider,
  type Recorded,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import type { EventStore, LogTree, PackFile, PackTitle, RecordedEvent, Rejection, TreeHeadView } from '#libs/kernel';
import type { Evidence, StoredLook } from '../../ports.js';
import type { RolloutEntry } from '../live-view.js';
import { packSummary } from './pack-summary.js';

/** More events than this are no pack but an export of the log. */
export const MOST_EVENTS = 20_000;
/** Looks of more bytes than this are left out, and the pack says so. */
export const MOST_LOOK_BYTES = 32 * 1_048_576;
const PAGE = 500;
const SEALED_WITHIN_MS = 5_000;
const AGAIN_MS = 100;

export type PackSources = {
  readonly store: EventStore;
  readonly tree: LogTree;
  readonly evidence: Evidence;
  /** Epoch ms. */
  readonly now: number;
  readonly pause: (ms: number) => Promise<void>;
};

export type EvidencePack = { readonly title: PackTitle; readonly files: readonly PackFile[] };

const lines = (items: readonly string[]): string => items.map((item) => `${item}\n`).join('');

/** The rollout as its stream says it is, and who began it. */
const entryOf = (events: readonly RecordedEvent[]): RolloutEntry => {
  let state: RolloutState = rolloutDecider.initial;
  for (const recorded of events)
    state = rolloutDecider.evolve(state, asHeadgateEvent(recorded) as Recorded<RolloutEvent>);
  const [first, last] = [events[0], events.at(-1)];
  if (state.status === 'none' || first === undefined || last === undefined)
    throw new Error('A stream of a rollout begins with its plan.');
  const { actor, reason = '' } = first.metadata;
  return {
    rollout: state,
    version: last.streamVersion,
    position: last.position,
    lastEvent: last.eventId,
    startedBy: actor.name,
    reason,
  };
};

/** What a config's stream says of the revisions that a rollout used, and of the rollout. */
const ofConfig = async (
  store: EventStore,
  key: string,
  isUsed: (revision: number, position: number) => boolean,
  rollout: string,
): Promise<readonly RecordedEvent[]> => {
  const stream = await store.readStream(configStream(key));
  return stream.filter(
    ({ type, data, position }) =>
      type === 'ConfigRegistered' ||
      data['rollout'] === rollout ||
      (type === 'RevisionProposed' && isUsed(Number(data['revision']), position)),
  );
};

/** Config, plan and signals in the revisions that the rollout used. */
const usedBy = async (
  store: EventStore,
  { rollout }: RolloutEntry,
  first: number,
): Promise<readonly RecordedEvent[]> => {
  const { plan } = rollout;
  const served = new Set([rollout.revision, ...Object.values(rollout.targets).map(({ control }) => control)]);
  const names = [...plan.signals, ...plan.tracks.flatMap(({ parity }) => parity)].map(({ signal }) => signal);
  const signals = await Promise.all(
    [...new Set(names)].map(async (signal) => {
      const known = await ofConfig(store, `signal/${signal}`, (_, position) => position < first, rollout.id);
      const registered = known.filter(({ type }) => type === 'ConfigRegistered');
      return [...registered, ...known.filter(({ type }) => type === 'RevisionProposed').slice(-1)];
    }),
  );
  return [
    ...(await ofConfig(store, rollout.config, (revision) => served.has(revision), rollout.id)),
    ...(await ofConfig(store, `plan/${plan.plan}`, (revision) => revision === plan.planRevision, rollout.id)),
    ...signals.flat(),
  ];
};

/** The last look that a verdict names: those behind it are in no event, so nothing would bind them to the log. */
const lastNamed = (events: readonly RecordedEvent[]): number =>
  events.reduce((last, recorded) => {
    const event = asHeadgateEvent(recorded);
    return event.type === 'VerdictRecorded' ? Math.max(last, event.data.verdict.look) : last;
  }, 0);

const lookLine = ({ look, digest, cells, compacted }: StoredLook): string =>
  JSON.stringify({
    look,
    digest,
    cells: JSON.stringify(cells),
    compacted: compacted === undefined ? null : { at: new Date(compacted.at).toISOString(), chain: compacted.chain },
  });

/** Undefined where they are too many to go along. */
const looksUpTo = async (rollout: string, last: number, evidence: Evidence): Promise<string | undefined> => {
  const found: string[] = [];
  let bytes = 0;
  for (let after = 0; after < last;) {
    const page = await evidence.readLooks(rollout, after, PAGE);
    const own = page.filter(({ look }) => look <= last).map(lookLine);
    bytes += own.reduce((sum, line) => sum + line.length + 1, 0);
    if (bytes > MOST_LOOK_BYTES) return undefined;
    found.push(...own);
    if (page.length < PAGE) break;
    after = page.at(-1)?.look ?? last;
  }
  return lines(found);
};

/** The newest head once it covers a position; undefined where that takes too long. */
const headOver = async (position: number, { tree, pause }: PackSources): Promise<TreeHeadView | undefined> => {
  for (let waited = 0; ; waited += AGAIN_MS) {
    const head = await tree.head();
    if (head !== undefined && head.size >= position) return head;
    if (waited >= SEALED_WITHIN_MS) return undefined;
    await pause(AGAIN_MS);
  }
};

const notSealed = (position: number, { tree }: PackSources): Rejection => ({
  code: 'not-sealed-yet',
  message: `No signed head covers event ${position} of this rollout yet: ${tree.sealing().message ?? 'a controller of the role worker or all seals it within seconds; ask again'}`,
});

/**
 * All that somebody without access needs to see what was done in a rollout and on what grounds: its events as exact
 * bytes with their proofs, the signed head and the keys, the revisions that it used, the looks that its verdicts rest on,
 * and a page to read. Writes nothing. Waits some seconds for the newest events to be sealed.
 */
export const evidencePack = async (
  id: string,
  sources: PackSources,
): Promise<EvidencePack | { readonly rejection: Rejection }> => {
  const { store, tree, evidence, now } = sources;
  const own = await store.readStream(`rollout-${id}`);
  if (own.length > MOST_EVENTS)
    return {
      rejection: {
        code: 'pack-too-large',
        message: `This rollout has ${own.length} events, and a pack takes ${MOST_EVENTS} at most: export the log (headgate log export).`,
      },
    };
  const entry = entryOf(own);
  const around = await usedBy(store, entry, own[0]?.position ?? 0);
  const events = [...own, ...around].toSorted((a, b) => a.position - b.position);
  const positions = events.map(({ position }) => position);
  const last = positions.at(-1) ?? 0;
  const head = await headOver(last, sources);
  if (head === undefined) return { rejection: notSealed(last, sources) };
  const bodies = await tree.bodiesAt(positions);
  const proofs = await tree.inclusions(positions, head.size);
  const looks = await looksUpTo(id, lastNamed(own), evidence);
  const madeAt = new Date(now).toISOString();
  const keys = JSON.stringify({ items: await tree.keys() }, null, 2);
  return {
    title: { rollout: id, size: head.size, madeAt },
    files: [
      {
        name: 'summary.html',
        text: packSummary({ entry, events: own, around, head, madeAt, hasLooks: looks !== undefined }),
      },
      { name: 'events.ndjson', text: lines(bodies.map(({ body }) => body)) },
      {
        name: 'proofs.ndjson',
        text: lines(positions.map((position, n) => JSON.stringify({ position, proof: proofs[n] }))),
      },
      { name: 'head.txt', text: head.checkpoint },
      { name: 'keys.json', text: `${keys}\n` },
      ...(looks === undefined ? [] : [{ name: 'looks.ndjson', text: looks }]),
    ],
  };
};

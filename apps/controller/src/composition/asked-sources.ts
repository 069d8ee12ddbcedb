import { pollTaskId, POLL, TaskLoop, type Disposition, type LiveView, type Log } from '#libs/application';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import type { ClaimedTask, Clock, TaskQueue } from '#libs/kernel';
import {
  clientFor,
  SourcePoller,
  sourceView,
  type AskedSignal,
  type AskedSource,
  type CountedIntake,
  type SourceStates,
} from '#libs/signals';
import { SourceBoard } from '../http/source-board.js';
import type { SourceView } from '#libs/contracts';

const SOURCE = 'source/';
const SIGNAL = 'signal/';
/** A turn may wait for a source as long as its time-outs say; a controller that dies is noticed without the lease. */
const LEASE_MS = 60_000;
/** The same refusal is logged once in this time. */
const SAY_AGAIN_MS = 600_000;

const newestOf = (view: LiveView, key: string): unknown => {
  const config = view.fleet.configs.get(key);
  return config?.status === 'registered' ? config.revisions.at(-1)?.value : undefined;
};

/** Signals as they are registered now that are asked of a source, by the source. */
const signalsBySource = (view: LiveView): ReadonlyMap<string, readonly AskedSignal[]> => {
  const bySource = new Map<string, AskedSignal[]>();
  for (const key of view.fleet.configs.keys()) {
    if (!key.startsWith(SIGNAL)) continue;
    const spec = SignalManifest.shape.spec.safeParse(newestOf(view, key)).data;
    if (!spec?.source || spec.source.type === 'otlp') continue;
    const { type, source: asked } = spec;
    if (type !== 'rate' && type !== 'mean' && type !== 'distribution') continue;
    bySource.set(asked.from, [...(bySource.get(asked.from) ?? []), { signal: key.slice(SIGNAL.length), type, asked }]);
  }
  return bySource;
};

const connectionOf = (view: LiveView, source: string): AskedSource['connection'] | undefined =>
  SourceManifest.shape.spec.safeParse(newestOf(view, `${SOURCE}${source}`)).data;

/** A source as it is registered now with the signals that name it; those of another kind are not its own. */
const askedSource = (view: LiveView, source: string): AskedSource | undefined => {
  const connection = connectionOf(view, source);
  if (!connection) return undefined;
  const signals = signalsBySource(view).get(source) ?? [];
  return { source, connection, signals: signals.filter(({ asked }) => asked.type === connection.type) };
};

/** How all sources are, for readers on whatever controller they ask. */
export class LiveSourceBoard extends SourceBoard {
  readonly #view: LiveView;
  readonly #states: SourceStates;
  readonly #clock: Clock;

  constructor(view: LiveView, states: SourceStates, clock: Clock) {
    super();
    this.#view = view;
    this.#states = states;
    this.#clock = clock;
  }

  async list(): Promise<readonly SourceView[]> {
    const names = [...this.#view.fleet.configs.keys()]
      .filter((key) => key.startsWith(SOURCE))
      .map((key) => key.slice(SOURCE.length))
      .toSorted();
    const states = await this.#states.read(names);
    return names.flatMap((name) => {
      const source = askedSource(this.#view, name);
      return source ? [sourceView(source, states.get(name), this.#clock.now())] : [];
    });
  }
}

type Setting = {
  readonly queue: TaskQueue;
  readonly view: LiveView;
  readonly intake: CountedIntake;
  readonly clock: Clock;
  readonly log: Log;
};

/** What a source says wrong is logged when it is new, and then once in a while. */
const sayOnce = (log: Log, now: () => number) => {
  const said = new Map<string, number>();
  return (source: string, refused: Awaited<ReturnType<SourcePoller['turn']>>['refused']): void => {
    for (const [code, first] of new Map(refused.map((one) => [one.code, one]))) {
      const key = `${source} ${code}`;
      if (now() - (said.get(key) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) continue;
      said.set(key, now());
      const count = refused.filter((one) => one.code === code).length;
      log.error('Something that a source says is not counted.', { source, count, ...first });
    }
  };
};

/**
 * Asks the sources, each by a task of its own, so that one which is silent keeps nobody waiting: neither other sources
 * nor rollouts. Any number of controllers may do so.
 */
export const startAsking = ({ queue, view, intake, clock, log }: Setting): { readonly stop: () => Promise<void> } => {
  const now = (): number => clock.now();
  const models = (target: string): readonly string[] | undefined => view.fleet.targets.get(target)?.models;
  const make = (source: AskedSource) => clientFor(source, process.env);
  const poller = new SourcePoller({ intake, clientFor: make, models, now });
  const say = sayOnce(log, now);
  const failing = new Set<string>();
  const ask = async (task: ClaimedTask): Promise<Disposition> => {
    const name = String(task.payload['source']);
    const source = askedSource(view, name);
    // Another controller may have registered it, and this one not have read so far.
    if (!source) return { kind: 'again', atMs: now() + 1_000, fresh: true };
    const turn = await poller.turn(source, task.attempts);
    say(name, turn.refused);
    if (turn.error !== null && !failing.has(name))
      log.error('A source cannot be asked; trying again.', { source: name, error: turn.error });
    if (turn.error === null && failing.has(name)) log.info('A source can be asked again.', { source: name });
    if (turn.error === null) failing.delete(name);
    else failing.add(name);
    return { kind: 'again', atMs: turn.nextAt, fresh: turn.error === null };
  };
  const loop = new TaskLoop(queue, { [POLL]: ask }, now, log, { leaseMs: LEASE_MS });
  let isLooping = false;
  // Who has no source does not look for its task all the time.
  const begin = (): void => {
    if (isLooping) return;
    isLooping = true;
    loop.start();
  };
  if ([...view.fleet.configs.keys()].some((key) => key.startsWith(SOURCE))) begin();
  view.onEvent(({ type, data }) => {
    if (type !== 'RevisionProposed') return;
    if (String(data['key']).startsWith(SOURCE)) begin();
    if (!String(data['key']).startsWith(SIGNAL)) return;
    const from = SignalManifest.shape.spec.safeParse(data['value']).data?.source;
    if (from === undefined || from.type === 'otlp') return;
    // Without it the source is asked for the new signal at its next turn.
    queue.hasten([pollTaskId(from.from)]).catch(() => undefined);
  });
  view.onFailure(() => void loop.stop());
  return {
    stop: async () => {
      poller.close();
      await loop.stop();
    },
  };
};

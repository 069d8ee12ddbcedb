import { connect, type Socket } from 'node:net';
import type { ManifestText } from '#test/kit/manifests';
import { ask, clientOf, type Door } from '#test/kit/http';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import type { Bench, BenchContext, Figures } from './harness.js';
import { quantile, ratioOf, round, summarise, takeTurns } from './harness.js';
import { configManifest, manifest, SIGNAL } from './manifests.js';
import { startServing, type Serving } from './serving.js';

const CLIENTS = 2_000;
const TARGET = 'api-us';
const CONFIG = 'router';
const PLAN = 'many-stages';
const MOST_STAGES = 50;

/** Stages of 1%, 2%, … that nobody passes but by a promote: each is one exposure event. */
const setting = (): readonly ManifestText[] =>
  [
    manifest('Target', TARGET, { platform: 'api', labels: { hardware: 'tpu' }, models: ['haiku'] }),
    manifest('Signal', SIGNAL, { type: 'rate', title: 'syntax errors' }),
    manifest('Plan', PLAN, {
      acceptBlind: 'nothing is judged here',
      grace: '1h',
      watch: '1h',
      signals: [{ signal: SIGNAL, tolerate: 'none' }],
      tracks: [
        {
          name: 'api',
          targets: [TARGET],
          stages: [...Array.from({ length: MOST_STAGES - 1 }, (_, n) => `${n + 1}%`), '100%'].map((exposure) => ({
            exposure,
            bake: '1h',
            activation: 0,
          })),
        },
      ],
    }),
  ] as unknown as readonly ManifestText[];

const ID = /(?:^|\n)id: (\d+)\n/g;

const now = (): number => performance.timeOrigin + performance.now();

/** Streaming clients that only note when they were told of what. */
class Audience {
  /** Id → when each client was told of it. */
  readonly #told = new Map<number, number[]>();
  readonly #sockets: Socket[] = [];

  async open({ url }: Serving, path: string): Promise<void> {
    const { port, hostname } = new URL(url);
    for (let n = 0; n < CLIENTS; n += 1) {
      const socket = connect(Number(port), hostname);
      this.#sockets.push(socket);
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.once('data', (bytes: Buffer) =>
          bytes.toString('latin1').startsWith('HTTP/1.1 200')
            ? resolve()
            : reject(new Error(`No stream: ${bytes.toString('latin1').slice(0, 200)}`)),
        );
        socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n`);
      });
      socket.on('data', (bytes: Buffer) => this.#hear(bytes.toString('latin1')));
    }
  }

  /** When each client was told of an id, once all of them were. */
  told(id: number): Promise<readonly number[]> {
    const all = (): readonly number[] | undefined => {
      const times = this.#told.get(id) ?? [];
      return times.length >= CLIENTS ? times : undefined;
    };
    return until(`all clients are told of ${id}`, all, { everyMs: 5 });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #hear(text: string): void {
    const at = now();
    for (const [, id] of text.matchAll(ID)) {
      const times = this.#told.get(Number(id)) ?? [];
      this.#told.set(Number(id), times);
      times.push(at);
    }
  }
}

/** Starts the rollout; gives a function that promotes it by one stage and says which event exposed more, and when. */
const startRollout = async (
  operator: Door,
  service: Door,
): Promise<() => Promise<{ readonly id: number; readonly at: number }>> => {
  const client = clientOf(operator);
  await client.apply({ manifests: [...setting()] });
  for (const n of [1, 2]) await client.apply({ manifests: [configManifest(CONFIG, n) as unknown as ManifestText] });
  // A start is planned from the traffic that was seen.
  const fleet = new TinyFleet(service, [TARGET]);
  await until('the target has traffic', () => fleet.round().then(() => fleet.counted.has(TARGET)));
  const { id } = await client.start({ config: CONFIG, plan: PLAN, reason: 'bench' });
  const exposures = async () =>
    (await client.events({ rollout: id, type: 'ExposureRequested' }, { limit: 1_000 })).items;
  const served = async (): Promise<boolean> => {
    const { targets } = await client.rollout(id);
    return targets.every(({ delivered }) => delivered);
  };
  await until('the first stage is delivered', served);
  return async () => {
    const before = (await exposures()).length;
    await client.command(id, 'promote', { reason: 'bench' });
    const event = await until('the exposure is in the log', async () => (await exposures())[before]);
    return { id: event.position, at: Date.parse(event.recordedAt) };
  };
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const rounds = context.quick ? 9 : 40;
  const serving = await startServing(await context.database('bench_propagate'));
  const audience = new Audience();
  try {
    const service: Door = { url: serving.url, token: serving.service };
    const promote = await startRollout({ url: serving.url, token: serving.operator }, service);
    const path = `/v1/targets/${TARGET}/ofrep/v1/evaluate/flags`;
    const { json } = await ask(service, 'POST', path, { body: { context: { targetingKey: 'bench' } } });
    const { eventStreams } = json as { eventStreams: [{ endpoint: { requestUri: string } }] };
    await audience.open(serving, eventStreams[0].endpoint.requestUri);
    const since = async (id: number, at: number): Promise<number> =>
      quantile(
        (await audience.told(id)).map((told) => told - at),
        0.99,
      );
    let bare = 0;
    const data = JSON.stringify({ type: 'refetchEvaluation', etag: '"1000000"', lastModified: 1_764_000_000 });
    const sides = {
      exposure: async (): Promise<number> => {
        const { id, at } = await promote();
        return since(id, at);
      },
      broadcast: async (): Promise<number> => {
        const id = 1_000_000 + (bare += 1);
        const text = `id: ${id}\nevent: message\ndata: ${data}\n\n`;
        const { at } = await serving.ask({ do: 'broadcast', text });
        return since(id, at);
      },
    };
    for (const warmUp of [sides.exposure, sides.broadcast, sides.broadcast]) await warmUp();
    return report(context, await takeTurns(rounds, sides));
  } finally {
    audience.close();
    await serving.stop();
  }
};

const report = (
  context: BenchContext,
  measured: Readonly<Record<'exposure' | 'broadcast', readonly number[]>>,
): Figures => {
  const ratio = ratioOf(measured.exposure, measured.broadcast);
  const [exposure, broadcast] = [summarise(measured.exposure), summarise(measured.broadcast)];
  context.say(`  ${CLIENTS} event streams of one target, ${measured.exposure.length} exposures, each round's p99`);
  context.say(`  from the event in the log   ${round(exposure.median)} ms (spread ${exposure.spread})`);
  context.say(`  a bare broadcast            ${round(broadcast.median)} ms (spread ${broadcast.spread})`);
  return { ratio: ratio.median, spread: ratio.spread, p99Ms: { exposure, broadcast } };
};

export const propagate: Bench = {
  measures:
    'from the commit of an exposure event until 2,000 streaming clients (event streams of OFREP, in another process) are told, p99, against the same server writing the same to the same streams and doing nothing else',
  quick: '9 exposures instead of 40',
  musts: [{ key: 'ratio', atMost: 2 }],
  run: measure,
};

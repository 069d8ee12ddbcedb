import protobuf from 'protobufjs/minimal.js';
import { SignalSource } from '#libs/contracts';
import {
  EvidenceBell,
  ExposureLookup,
  OtlpReceiver,
  OutcomeIntake,
  PostgresCountedIntake,
  PostgresEvidenceStore,
  SignalSources,
  type Exposure,
  type RegisteredSource,
  type Running,
} from '#libs/signals';
import type { Pool } from 'pg';

/** Processes that send at once, and the series of each: of two metrics, each selected by a signal of its own. */
export const PROCESSES = 8;
const SERIES = 1_500;
const METRICS = ['gateway.requests', 'gateway.tokens'];
export const POINTS = SERIES * METRICS.length;
const ROLLOUT = 'points';
const OUTCOMES = ['ok', 'ok', 'ok', 'timeout', 'refusal'];

const rate = (signal: string, metric: string): RegisteredSource => ({
  signal,
  type: 'rate',
  source: SignalSource.parse({ type: 'otlp', requests: { metric }, bad: { metric, where: { outcome: 'timeout' } } }),
});
const SOURCES = METRICS.map((metric, n) => rate(`timeouts-${n}`, metric));

class Sources extends SignalSources {
  override all = (): readonly RegisteredSource[] => SOURCES;
}

/** One config on trial everywhere, judged by the counted signals. */
class OneRollout extends ExposureLookup {
  readonly #exposure: Exposure = {
    rollout: ROLLOUT,
    candidate: 2,
    control: 1,
    shareBp: 1_000,
    startedAt: 0,
    assignment: 'unit',
    signals: new Set(),
    invariants: new Set(),
    values: new Map(),
    paired: new Set(),
    counted: new Map(SOURCES.map(({ signal }) => [signal, null])),
  };
  override find = (): Exposure => this.#exposure;
  override newest = (): number => 10;
  override running = (): readonly Running[] => [{ ...this.#exposure, config: 'router' }];
  override withdrawn = (): undefined => undefined;
  override knowsTarget = (): boolean => true;
  override knowsModel = (): boolean => true;
  override onlyModel = (): undefined => undefined;
  override sourceOf = (): string => 'otlp';
  override knowsSignal = () => 'rate' as const;
  override binningOf = (): undefined => undefined;
  override knowsRevision = (): boolean => true;
}

/** Nobody sends outcomes here. */
class NoOutcomes extends OutcomeIntake {
  override submit = (): Promise<never> => Promise.reject(new Error('Outcomes are not measured here.'));
  override close = async (): Promise<void> => undefined;
}

const attribute = (writer: protobuf.Writer, field: number, key: string, value: string): void => {
  writer
    .uint32((field << 3) | 2)
    .fork()
    .uint32(10)
    .string(key)
    .uint32(18)
    .fork()
    .uint32(10)
    .string(value)
    .ldelim()
    .ldelim();
};

const fixed64 = (writer: protobuf.Writer, tag: number, value: number): void => {
  writer.uint32(tag).fixed32((value % 4_294_967_296) >>> 0);
  // The upper half follows without a tag of its own.
  writer.fixed32(Math.floor(value / 4_294_967_296));
};

/** A body of one process: a delta of each of its series, with the attributes that such series have. */
const bodyOf = (process: number, fromMs: number, untilMs: number): Buffer => {
  const writer = protobuf.Writer.create();
  writer.uint32(10).fork();
  writer.uint32(10).fork();
  attribute(writer, 1, 'service.name', 'gateway');
  attribute(writer, 1, 'service.instance.id', `gateway-${process}`);
  attribute(writer, 1, 'headgate.target', `target-${process % 4}`);
  writer.ldelim();
  writer.uint32(18).fork();
  for (const metric of METRICS) {
    writer.uint32(18).fork().uint32(10).string(metric).uint32(58).fork();
    for (let n = 0; n < SERIES; n += 1) {
      writer.uint32(10).fork();
      fixed64(writer, 17, fromMs * 1e6);
      fixed64(writer, 25, untilMs * 1e6);
      fixed64(writer, 49, 3);
      attribute(writer, 7, 'gen_ai.request.model', n % 2 === 0 ? 'haiku' : 'sonnet');
      attribute(writer, 7, 'feature_flag.key', 'router');
      attribute(writer, 7, 'feature_flag.result.variant', n % 10 === 0 ? 'r2' : 'r1');
      attribute(writer, 7, 'outcome', OUTCOMES[n % OUTCOMES.length] ?? '');
      attribute(writer, 7, 'shard', `shard-${n}`);
      writer.ldelim();
    }
    writer.uint32(16).int32(1).uint32(24).bool(true).ldelim().ldelim();
  }
  writer.ldelim().ldelim();
  return Buffer.from(writer.finish());
};

export type PointsSide = {
  /** Points/s that were durable when they were answered, over so many bodies of each process. */
  readonly rate: (bodies: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

/** As a controller takes metrics, from the unpacked body on. */
export const openPoints = (pool: Pool): PointsSide => {
  const exposures = new OneRollout();
  const bell = new EvidenceBell();
  const counted = new PostgresCountedIntake(pool, exposures, bell);
  const store = new PostgresEvidenceStore(pool, bell);
  const knowGeneration = async (): Promise<void> => undefined;
  const parts = { sources: new Sources(), exposures, counted, outcomes: new NoOutcomes(), knowGeneration };
  const receiver = new OtlpReceiver(parts);
  let clock = Date.now() - 86_400_000;
  let sent = 0;
  const check = async (): Promise<void> => {
    const { samples } = await store.requests(ROLLOUT);
    const found = samples.reduce((sum, { candidate, control }) => sum + candidate + control, 0);
    if (found !== sent * 3) throw new Error(`${found} requests were counted, and there were ${sent * 3}.`);
  };
  const measure = async (bodies: number): Promise<number> => {
    const begun = clock;
    clock += bodies * 1_000;
    const queues = Array.from({ length: PROCESSES }, (_, process) =>
      Array.from({ length: bodies }, (__, n) => bodyOf(process, begun + n * 1_000, begun + (n + 1) * 1_000)),
    );
    const start = performance.now();
    const work = async (queue: readonly Buffer[]): Promise<void> => {
      for (const body of queue) {
        const { rejected, message } = await receiver.metrics(body, 'protobuf', { token: 'bench' }, clock);
        if (rejected > 0) throw new Error(`Points were refused: ${message}`);
      }
    };
    await Promise.all(queues.map(work));
    const seconds = (performance.now() - start) / 1_000;
    sent += PROCESSES * bodies * POINTS;
    await check();
    return (PROCESSES * bodies * POINTS) / seconds;
  };
  return { rate: measure, close: () => counted.close() };
};

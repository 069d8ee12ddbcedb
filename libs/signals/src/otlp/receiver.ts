import type { OutcomeReceipt } from '#libs/contracts';
import type { CountedIntake } from '../counted.js';
import type { ExposureLookup } from '../exposure.js';
import type { OutcomeIntake, Reporter } from '../intake.js';
import type { RegisteredSource, SignalSources } from '../signal-sources.js';
import type { Refusals } from './answers.js';
import { evaluationsIn, newestGenerationIn } from './evaluations.js';
import * as json from './json.js';
import type { Format, ResourceMetrics } from './model.js';
import * as protobuf from './protobuf.js';
import { Selections } from './selections.js';
import { stepOf, type SelectedPoint } from './step.js';
import { Tell } from './tell.js';

const DECODERS = { json, protobuf };

type Parts = {
  readonly sources: SignalSources;
  readonly exposures: ExposureLookup;
  readonly counted: CountedIntake;
  readonly outcomes: OutcomeIntake;
  /** Comes back once what led to a generation is known here, or at once where it never will be. */
  readonly knowGeneration: (generation: number) => Promise<void>;
};

/** So many resources of one request are counted at once. */
const AT_ONCE = 16;

/**
 * The way in for OpenTelemetry's exporters: metrics count signals, and records of evaluations tell who was served. What
 * cannot be counted is refused point by point; the rest is durable when the answer comes, and to send it again adds
 * nothing. Throws `MalformedOtlpError`, what the intakes throw, and what the database throws.
 */
export class OtlpReceiver {
  #known: { readonly of: readonly RegisteredSource[]; readonly selections: Selections } | undefined;

  constructor(private readonly parts: Parts) {}

  /** `now` in epoch ms. */
  async metrics(body: Buffer, format: Format, { token }: Reporter, now: number): Promise<Refusals> {
    const selections = this.#selections();
    const sent = DECODERS[format].decodeMetrics(body, (metric) => selections.wants(metric));
    const selected = [...pointsBySource(sent, token, selections)];
    await this.parts.knowGeneration(newestOf(selected.flatMap(([, points]) => points)));
    const refused = new Tell();
    for (let from = 0; from < selected.length; from += AT_ONCE) {
      const some = selected.slice(from, from + AT_ONCE);
      for (const each of await Promise.all(some.map(([source, points]) => this.#count(source, points, now))))
        refused.addAll(each);
    }
    return refused.refusals('data points');
  }

  async logs(body: Buffer, format: Format, reporter: Reporter, now: number): Promise<Refusals> {
    const { outcomes, exposures } = this.parts;
    const sent = DECODERS[format].decodeLogs(body);
    await this.parts.knowGeneration(newestGenerationIn(sent));
    const { batches, refused } = evaluationsIn(sent, now, exposures);
    for (const receipt of await Promise.all(batches.map((batch) => outcomes.submit(batch, reporter, now))))
      addRejected(receipt, refused);
    return refused.refusals('log records');
  }

  async #count(source: string, points: readonly SelectedPoint[], now: number): Promise<Tell> {
    const { counted, exposures } = this.parts;
    const { result, refused } = await counted.advance(source, (kept) => stepOf(kept, points, now, exposures), now);
    for (const { where, code, detail, index } of refused)
      result.refused.add(where, { code, detail }, result.weights[index]);
    return result.refused;
  }

  #selections(): Selections {
    const of = this.parts.sources.all();
    if (this.#known?.of !== of) this.#known = { of, selections: new Selections(of) };
    return this.#known.selections;
  }
}

const addRejected = ({ rejected }: OutcomeReceipt, to: Tell): void => {
  for (const { pointer, code, detail } of rejected) to.add(pointer, { code, detail });
};

const newestOf = (points: readonly SelectedPoint[]): number =>
  points.reduce((newest, { series }) => {
    for (const { place } of series.matches)
      if ('arm' in place && (place.arm?.generation ?? 0) > newest) newest = place.arm?.generation ?? 0;
    return newest;
  }, 0);

/** The points that some signal selects, by the source under which they are counted; nothing is kept before all are read. */
const pointsBySource = (
  sent: readonly ResourceMetrics[],
  token: string,
  selections: Selections,
): ReadonlyMap<string, readonly SelectedPoint[]> => {
  const found = new Map<string, SelectedPoint[]>();
  for (const { resource, scopes } of sent) {
    const known = selections.resourceOf(resource, token);
    const points = found.get(known.source) ?? [];
    for (const { scope, metrics } of scopes)
      for (const metric of metrics) {
        const seriesOf = selections.seriesOf(known, scope, metric.name);
        for (const point of metric.points) {
          const series = seriesOf(point.attributes);
          if (series !== undefined) points.push({ series, metric, point });
        }
      }
    if (points.length > 0) found.set(known.source, points);
  }
  return found;
};

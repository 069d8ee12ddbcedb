import type { LiveView } from '#libs/application';
import { SignalManifest } from '#libs/contracts';
import { SignalSources, type RegisteredSource } from '#libs/signals';

type Read = { readonly revision: number; readonly source: RegisteredSource | undefined };

const PREFIX = 'signal/';

/** Reads from the folded log which signals a source counts, by the newest revision of each. */
export class FleetSignalSources extends SignalSources {
  readonly #read = new Map<string, Read>();
  #position = -1;
  #all: readonly RegisteredSource[] = [];

  constructor(private readonly view: LiveView) {
    super();
  }

  all(): readonly RegisteredSource[] {
    if (this.view.position === this.#position) return this.#all;
    this.#position = this.view.position;
    const sources = [...this.view.fleet.configs.values()]
      .filter(({ kind, status }) => kind === 'signal' && status === 'registered')
      .flatMap(({ key, revisions }) => this.#sourceOf(key, revisions.length, revisions.at(-1)?.value) ?? []);
    const isSame = sources.length === this.#all.length && sources.every((each, index) => each === this.#all[index]);
    if (!isSame) this.#all = sources;
    return this.#all;
  }

  #sourceOf(key: string, revision: number, value: unknown): RegisteredSource | undefined {
    const known = this.#read.get(key);
    if (known?.revision === revision) return known.source;
    // One that this version cannot read must not keep the others from being counted.
    const { type, source } = SignalManifest.shape.spec.safeParse(value).data ?? {};
    const read = type && source && { signal: key.slice(PREFIX.length), type, source };
    this.#read.set(key, { revision, source: read });
    return read;
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { EventView, RolloutView } from '#libs/contracts';
import { ProblemError, UnreachableError } from './client-errors.js';
import type { HeadgateClient } from './client.js';
import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';
import { plain, showClock, showDuration, plural } from './format.js';
import { follow } from './follow.js';
import type { ConnectionNotice } from './follow.js';
import { renderEventLine } from './render/events.js';
import { isOver } from './resolve.js';
import type { Invocation } from './invocation.js';
import { hang } from './wrap.js';

export interface WatchOptions {
  /** Begin after this position instead of at the state now. */
  readonly after?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly failOnHold: boolean;
  /** True when the state at the start was printed already. */
  readonly isShown?: boolean;
  /** How often the state is read again besides after each event, in ms (default 2,000). */
  readonly refreshMs?: number;
}

const SAME_WAIT_MS = 30_000;
/** Where the text of a line begins, after the time of day. */
const AFTER_CLOCK = 10;

/** Waiting lines differ in their counts all the time; what matters is when they say something else. */
const gist = (lines: readonly string[]): string => lines.join('; ').replace(/[\d.,]+/g, '#');

/** Where what settled is not live: on tracks that were taken back alone, and on those that were never reached. */
const goneFrom = ({ tracks, targets }: RolloutView): readonly string[] =>
  tracks.some(({ status }) => status === 'taken-back' || status === 'not-reached')
    ? targets.filter(({ purpose }) => purpose !== 'settle').map(({ target }) => plain(target))
    : [];

/** The last line: how it ended, and after how long. */
export const renderEnd = (rollout: RolloutView): string => {
  const took =
    rollout.endedAt === null
      ? ''
      : ` after ${showDuration(Date.parse(rollout.endedAt) - Date.parse(rollout.startedAt))}`;
  const what = `${rollout.config} r${rollout.revision}`;
  if (rollout.status === 'settled') {
    const gone = goneFrom(rollout);
    const good = `last known good on ${plural(rollout.targets.length - gone.length, 'target')}`;
    return gone.length === 0
      ? `${what} settled${took}: ${good}`
      : `${what} settled in part${took}: ${good}; taken back from, or never on, ${gone.join(', ')}`;
  }
  if (rollout.status === 'superseded')
    return `${what} was superseded${took}: it stays live until the rollout that took over from it ends`;
  const fail = rollout.verdicts.find((verdict) => verdict.verdict === 'fail' && !verdict.shadow);
  const why = fail ? `: ${plain(fail.sentence)}` : '';
  return `${what} ${rollout.status === 'cancelled' ? 'was cancelled' : 'was rolled back'}${took}${why}`;
};

/** Held with no time at which it goes on by itself. */
const waitsForPerson = ({ held }: RolloutView): boolean => held !== null && held.until === null;

/** Prints a rollout's changes, and knows what it has printed. */
class Printer {
  #waiting = '';
  #waitingAt = Number.NEGATIVE_INFINITY;
  readonly #style: 'lines' | 'ndjson' | 'yaml';

  constructor(
    readonly invocation: Invocation,
    shown: RolloutView | undefined,
  ) {
    this.#waiting = shown?.waitingFor.join('; ') ?? '';
    if (shown) this.#waitingAt = invocation.terminal.now();
    const { format, terminal } = invocation;
    if (format === 'yaml') this.#style = 'yaml';
    else
      this.#style =
        format === 'json' || format === 'ndjson' || (format === undefined && !terminal.outIsTty) ? 'ndjson' : 'lines';
  }

  get isForPeople(): boolean {
    return this.#style === 'lines';
  }

  event(event: EventView): void {
    const { terminal, look } = this.invocation;
    if (this.#style === 'ndjson') terminal.out(`${JSON.stringify(event)}\n`);
    else if (this.#style === 'yaml') terminal.out(`---\n${stringify(event)}`);
    else terminal.out(`${hang(renderEventLine(event, look), look.width, AFTER_CLOCK)}\n`);
  }

  /** Says what it waits for when that is something new, or the same for long. */
  waiting(rollout: RolloutView): void {
    const { terminal, look } = this.invocation;
    const now = terminal.now();
    const text = rollout.waitingFor.join('; ');
    const isNew = gist(rollout.waitingFor) !== gist([this.#waiting]);
    if (!this.isForPeople || text === '' || text === this.#waiting || (!isNew && now - this.#waitingAt < SAME_WAIT_MS))
      return;
    this.#waiting = text;
    this.#waitingAt = now;
    const clock = showClock(new Date(now).toISOString(), look.zone);
    const line = look.paint.dim(`${clock}  waiting for: ${plain(text)}`);
    terminal.out(`${hang(line, look.width, AFTER_CLOCK)}\n`);
  }

  line(text: string): void {
    if (this.isForPeople) this.invocation.terminal.out(`${hang(text, this.invocation.look.width, 2)}\n`);
    else this.invocation.note(text);
  }

  notice(notice: ConnectionNotice): void {
    this.invocation.note(
      notice.kind === 'lost'
        ? `connection lost (${notice.why}); trying again, the rollout goes on`
        : `connected again; nothing was missed (from position #${notice.after})`,
    );
  }
}

/** Follows one rollout until something ends the watch. */
class Watch {
  readonly #stop = new AbortController();
  #seen: number;
  #poked = false;
  #wake: () => void = () => undefined;

  constructor(
    readonly client: HeadgateClient,
    readonly first: RolloutView,
    readonly options: WatchOptions,
    readonly printer: Printer,
  ) {
    this.#seen = options.after ?? first.position;
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  async events(): Promise<never> {
    const stream = follow(
      this.client,
      { rollout: this.first.id },
      {
        after: this.#seen,
        signal: this.#stop.signal,
        onNotice: (notice) => this.printer.notice(notice),
      },
    );
    for await (const event of stream) {
      this.#print(event);
      this.#poked = true;
      this.#wake();
    }
    return new Promise<never>(() => undefined);
  }

  /** Reads the state after each event and every now and then, until it says that the watch is over. */
  async states(): Promise<ExitCode> {
    let rollout = this.first;
    while (!this.#stop.signal.aborted) {
      this.printer.waiting(rollout);
      if (isOver(rollout)) return this.#ended(rollout);
      if (this.options.failOnHold && waitsForPerson(rollout)) {
        await this.#rest();
        this.printer.line(`held until a person acts: ${plain(rollout.held?.reason ?? '')}`);
        return EXIT.waitingForPerson;
      }
      await this.#pause();
      rollout = (await this.#read()) ?? rollout;
    }
    return EXIT.ok;
  }

  #print(event: EventView): void {
    if (event.position <= this.#seen) return;
    this.#seen = event.position;
    this.printer.event(event);
  }

  async #ended(rollout: RolloutView): Promise<ExitCode> {
    await this.#rest();
    this.printer.line(renderEnd(rollout));
    return rollout.status === 'settled' && goneFrom(rollout).length === 0 ? EXIT.ok : EXIT.rolledBack;
  }

  /** The stream may be behind the state: what it has not brought yet is fetched, so that no event is left out. */
  async #rest(): Promise<void> {
    for await (const event of this.client.allEvents({ rollout: this.first.id }, this.#seen)) this.#print(event);
  }

  /** While the controller is away the stream says so; the state can wait. */
  async #read(): Promise<RolloutView | undefined> {
    try {
      return await this.client.rollout(this.first.id);
    } catch (error) {
      if (error instanceof UnreachableError) return undefined;
      if (error instanceof ProblemError && error.problem.status >= 500) return undefined;
      throw error;
    }
  }

  async #pause(): Promise<void> {
    if (!this.#poked) {
      const timer = new AbortController();
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const rested = sleep(this.options.refreshMs ?? 2_000, undefined, { signal: timer.signal }).catch(
        (error: unknown) => {
          if (!timer.signal.aborted) throw error;
        },
      );
      await Promise.race([woken, rested]);
      timer.abort();
    }
    this.#poked = false;
  }
}

/**
 * Follows a rollout until it ends (0 settled, 3 otherwise), the timeout passes (4), it is held for a person (5, if asked
 * for), or Ctrl-C (130, which only detaches). Prints only changes: lines for people, NDJSON when piped or with `-o json`.
 */
export const watchRollout = async (
  invocation: Invocation,
  first: RolloutView,
  options: WatchOptions,
): Promise<ExitCode> => {
  const printer = new Printer(invocation, options.isShown ? first : undefined);
  const watch = new Watch(invocation.client, first, options, printer);
  let endTimer: NodeJS.Timeout | undefined;
  let letGo: () => void = () => undefined;
  const told = new Promise<ExitCode>((resolve) => {
    letGo = invocation.terminal.onInterrupt(() => resolve(EXIT.interrupted));
    if (options.timeoutMs !== undefined) endTimer = setTimeout(() => resolve(EXIT.timeout), options.timeoutMs);
  });
  try {
    const exitCode = await Promise.race([watch.events(), watch.states(), told]);
    if (exitCode === EXIT.interrupted)
      invocation.note(`\ndetached; the rollout goes on. Follow it again: headgate watch ${first.id}`);
    if (exitCode === EXIT.timeout)
      invocation.note(`stopped watching after ${showDuration(options.timeoutMs ?? 0)}; the rollout goes on`);
    return exitCode;
  } finally {
    clearTimeout(endTimer);
    letGo();
    watch.stop();
  }
};

import type { Command } from 'commander';
import { stringify } from 'yaml';
import { Reason } from '#libs/contracts';
import { HeadgateClient } from './client.js';
import { CliError, usageError } from './errors.js';
import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';
import { paintFor } from './look.js';
import type { Look } from './look.js';
import { readSettings } from './settings.js';
import type { Settings } from './settings.js';
import type { Terminal } from './terminal.js';

export const FORMATS = ['table', 'json', 'yaml', 'name', 'ndjson'] as const;
export type Format = (typeof FORMATS)[number];

interface GlobalFlags {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly output?: Format;
  readonly color: boolean;
  readonly yes?: boolean;
}

/** The forms in which one answer can be printed; the text is made only when it is wanted. */
export interface Answer {
  readonly data: unknown;
  readonly text: (look: Look) => string;
  /** For `-o name`: one per line, such as `rollout/0198…`. */
  readonly names: readonly string[];
}

const WIDE = 100_000;

/** A list has one line for each of its items; anything else is one line. */
const itemsOf = (data: unknown): readonly unknown[] => {
  if (Array.isArray(data)) return data;
  const items = typeof data === 'object' && data !== null && 'items' in data ? data.items : undefined;
  return Array.isArray(items) ? items : [data];
};

/** One run of the command: its flags, its terminal, its connection, and the exit code it will end with. */
export class Invocation {
  exitCode: ExitCode = EXIT.ok;
  #settings: Settings | undefined;
  #client: HeadgateClient | undefined;
  #flags: GlobalFlags = { color: true };

  constructor(readonly terminal: Terminal) {}

  /** Takes the global flags of the command that is about to run. */
  begin(command: Command): void {
    this.#flags = command.optsWithGlobals<GlobalFlags>();
  }

  /** Undefined until something has asked for the controller. */
  get settings(): Settings | undefined {
    return this.#settings;
  }

  /** What `-o` asks for; undefined when it was not given. */
  get format(): Format | undefined {
    return this.#flags.output;
  }

  get client(): HeadgateClient {
    if (this.#client) return this.#client;
    const settings = readSettings(this.#flags, this.terminal);
    this.#settings = settings;
    if (settings.notice !== undefined) this.note(settings.notice);
    const onSlow = (url: string): void =>
      this.note(`${url} does not answer; waiting for it (Ctrl-C ends this, --url asks another controller)`);
    const onRefused = (url: string): void =>
      this.note(
        `nothing listens at ${url} now; a controller that starts again is there in a moment: trying on for 10 s`,
      );
    this.#client = new HeadgateClient({ url: settings.url, token: settings.token, onSlow, onRefused });
    return this.#client;
  }

  get look(): Look {
    const { terminal } = this;
    const isTty = terminal.outIsTty;
    return {
      paint: paintFor({ env: terminal.env, isTty, refused: !this.#flags.color }),
      width: isTty ? (terminal.columns ?? 80) : WIDE,
      zone: terminal.zone,
      now: terminal.now(),
    };
  }

  get errorLook(): Look {
    const { terminal } = this;
    return {
      ...this.look,
      paint: paintFor({ env: terminal.env, isTty: terminal.errIsTty, refused: !this.#flags.color }),
    };
  }

  /** A line of progress, on stderr. */
  note(line: string): void {
    this.terminal.err(`${this.errorLook.paint.dim(line)}\n`);
  }

  /** Data, on stdout, as `-o` asks. */
  print(answer: Answer): void {
    const text = this.#render(answer);
    if (text !== '') this.terminal.out(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** The reason for a change: `--reason`, or asked for in a terminal. Throws a usage error without either. */
  async reason(given: string | undefined, what: string): Promise<string> {
    const { terminal } = this;
    if (given === undefined && !(terminal.inIsTty && terminal.errIsTty)) {
      throw usageError(`${what} needs a reason`, { next: 'add --reason "why"; it stays in the log for ever' });
    }
    const text = given ?? (await terminal.ask(`Reason to ${what} (stays in the log for ever): `));
    const reason = Reason.safeParse(text);
    if (!reason.success) throw usageError('a reason (--reason) must have from 3 to 500 characters; nothing was sent');
    return reason.data;
  }

  /** Asks before what cannot be taken back; without a terminal, or with --yes, nothing is asked. */
  async confirm(question: string): Promise<void> {
    if (this.#flags.yes || !(this.terminal.inIsTty && this.terminal.errIsTty)) return;
    const answer = await this.terminal.ask(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('not confirmed; nothing was sent', EXIT.usage);
  }

  #render(answer: Answer): string {
    switch (this.format) {
      case 'json':
        return JSON.stringify(answer.data, null, 2);
      case 'yaml':
        return stringify(answer.data);
      case 'name':
        return answer.names.join('\n');
      case 'ndjson':
        return itemsOf(answer.data)
          .map((item) => JSON.stringify(item))
          .join('\n');
      default:
        return answer.text(this.look);
    }
  }
}

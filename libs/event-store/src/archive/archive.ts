import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveError } from '#libs/kernel';
import { leafHash } from '../canonical.js';
import { fileNameOf, firstOf, Segment, segmentOf } from './segment.js';

/** What kept a file from being read or written: the code of the operating system, or words. */
export const whyOf = (error: unknown): string =>
  error instanceof Error ? ('code' in error ? String(error.code) : error.message) : String(error);

/** Of an event whose body is in a file: the log still has its place and its hash. */
export type Archived = { readonly position: number; readonly leaf: Buffer };

/** Files that are kept in memory, packed, besides their blocks that were asked for: up to some 4 MB each. */
const KEPT = 8;
/** Files that could not be read and are tried again at once. */
const TRIED = 3;

/** The bodies of old events, in a folder of files that `headgate log archive` wrote. */
export class Archive {
  /** The one used last is the last. */
  readonly #segments = new Map<number, Promise<Segment>>();
  /** Why a file could not be read when it was asked for last. */
  readonly #unreadable = new Map<number, string>();

  /** @param remedy how the folder is named to this process, for messages: "set X to", before "the folder" */
  constructor(
    private readonly folder: string | undefined,
    private readonly remedy: string,
  ) {}

  /** The bodies of these events in their order, each compared with its hash. Throws `ArchiveError`. */
  async bodies(archived: readonly Archived[]): Promise<readonly string[]> {
    const bodies: string[] = [];
    for (const { position, leaf } of archived) {
      const body = await this.lineOf(position);
      if (body === undefined || !leafHash(body).equals(leaf)) {
        // A better copy may be there the next time.
        this.#segments.delete(segmentOf(position));
        throw new ArchiveError(
          `The body of event ${position} in ${this.pathOf(position)} is not the one that the log has the hash of: put back a copy of the file.`,
        );
      }
      bodies.push(body);
    }
    return bodies;
  }

  /** What the file says is the body of this event; undefined where it is damaged there. Throws `ArchiveError` without one. */
  async lineOf(position: number): Promise<string | undefined> {
    return (await this.#segmentOf(position)).bodyOf(position);
  }

  /** The file that has the body of this event. */
  pathOf(position: number): string {
    return join(this.folder ?? '', fileNameOf(segmentOf(position)));
  }

  /** Of files that were asked for in vain: why some of them still cannot be read. */
  async unreadable(): Promise<readonly string[]> {
    const some = [...this.#unreadable].slice(0, TRIED);
    await Promise.all(some.map(([segment]) => this.#note(segment, this.#open(firstOf(segment)))));
    return some.flatMap(([segment]) => this.#unreadable.get(segment) ?? []);
  }

  #segmentOf(position: number): Promise<Segment> {
    const number = segmentOf(position);
    const known = this.#segments.get(number);
    this.#segments.delete(number);
    const segment = known ?? this.#open(position);
    this.#segments.set(number, segment);
    // What could not be read is tried again the next time.
    if (known === undefined) void this.#note(number, segment);
    const [oldest] = this.#segments.keys();
    if (this.#segments.size > KEPT && oldest !== undefined) this.#segments.delete(oldest);
    return segment;
  }

  async #note(number: number, segment: Promise<Segment>): Promise<void> {
    try {
      await segment;
      this.#unreadable.delete(number);
    } catch (error) {
      this.#segments.delete(number);
      this.#unreadable.set(number, error instanceof Error ? error.message : String(error));
    }
  }

  async #open(position: number): Promise<Segment> {
    if (this.folder === undefined)
      throw new ArchiveError(
        `Event ${position} was archived into ${fileNameOf(segmentOf(position))}: ${this.remedy} the folder that has it.`,
      );
    const path = this.pathOf(position);
    try {
      // What is no file may never end.
      if (!(await stat(path)).isFile()) throw new Error('it is no file');
      return new Segment(await readFile(path));
    } catch (error) {
      throw new ArchiveError(
        `Event ${position} was archived, and ${path} cannot be read (${whyOf(error)}): put the file there, or ${this.remedy} the folder that has it.`,
      );
    }
  }
}

/** Of a process that was told of none. */
export const NO_ARCHIVE = new Archive(undefined, 'set HEADGATE_ARCHIVE_DIR to');

/** What a query asks for of each event besides other columns, and what it gets: the body, or what finds it in a file. */
export const BODY = 'body, case when body is null then position end, case when body is null then leaf end';
export type BodyColumns = readonly [body: string | null, position: string | number | null, leaf: Buffer | null];

/** The bodies of rows, those of archived events from their files. Throws `ArchiveError`. */
export const bodiesOf = async (
  rows: readonly (readonly [...BodyColumns, ...rest: unknown[]])[],
  archive: Archive,
): Promise<readonly string[]> => {
  const archived = rows.flatMap(([, position, leaf]) =>
    position === null || leaf === null ? [] : [{ position: Number(position), leaf }],
  );
  if (archived.length === 0) return rows.map(([body]) => body ?? '');
  const read = (await archive.bodies(archived)).values();
  return rows.map(([body]) => body ?? read.next().value ?? '');
};

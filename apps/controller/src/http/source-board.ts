import type { SourceView } from '#libs/contracts';

/** Says how the sources are that Headgate asks. */
export abstract class SourceBoard {
  /** All that are registered, by name. */
  abstract list(): Promise<readonly SourceView[]>;
}

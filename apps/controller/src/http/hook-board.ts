import type { HookView } from '#libs/contracts';

/** What routes of hooks need beside the log. */
export abstract class HookBoard {
  abstract list(): Promise<readonly HookView[]>;
  /** Why no event may go to this address; undefined: it may. */
  abstract refused(url: string): string | undefined;
  /** Which key this controller signs with; made where there is none. */
  abstract key(): string;
  /** What signs the events of a hook. */
  abstract secretOf(hook: string): string;
}

import { CommandBus } from '@nestjs/cqrs';
import { RecordExactReadCommand, type ExactRead } from '#libs/application';
import { Reason } from '#libs/contracts';
import type { Caller } from './auth.js';
import { accepted, contextOf } from './command-context.js';
import { ProblemError } from './problem.js';

export type ExactAsked = { readonly exact?: 'true' | undefined; readonly reason?: string | undefined };

/** Who may see counts of few units, and the record of each time that somebody does. */
export class ExactReads {
  constructor(
    /** Counts of fewer units are shown to nobody else. */
    readonly minUnits: number,
  ) {}

  /**
   * Null where exact counts are to be shown, of which there is an event by then; otherwise below how many units they are
   * not. Throws a problem for whoever asks and may not, or gives no reason.
   */
  async limitFor(
    request: Caller,
    { exact, reason }: ExactAsked,
    commands: CommandBus,
    read: Omit<ExactRead, 'subject'>,
  ): Promise<number | null> {
    if (exact === undefined) return this.minUnits;
    const { caller } = request;
    if (caller?.role !== 'investigator')
      throw new ProblemError(
        'forbidden',
        `${caller?.subject ?? 'Nobody'} has the role ${caller?.role ?? 'none'}; exact counts of fewer than ${this.minUnits} units need investigator, and no other role has that right.`,
      );
    const why = Reason.safeParse(reason);
    if (!why.success)
      throw new ProblemError(
        'invalid-request',
        'Reading exact counts of few units needs a reason, which is recorded.',
        [{ pointer: '/reason', detail: 'from 3 to 500 characters' }],
      );
    const command = new RecordExactReadCommand(
      { subject: caller.subject, ...read },
      contextOf(request, null, why.data),
    );
    accepted(await commands.execute(command));
    return null;
  }
}

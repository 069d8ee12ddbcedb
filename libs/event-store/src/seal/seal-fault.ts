const NEXT =
  'Find out what was done to the database: headgate verify --database URL --witness FILE. How to go on is in docs/how-to/verify-the-log.md; events are still taken, but not sealed.';

/** Why nothing is signed any more, with what to do. */
export class SealFault extends Error {
  override readonly name = 'SealFault';

  constructor(
    readonly kind: 'stopped' | 'no-key',
    message: string,
  ) {
    super(message);
  }

  static noKey(id: string): SealFault {
    return new SealFault(
      'no-key',
      `The key ${id} that signs the log is not here: give it with HEADGATE_SEAL_KEY_FILE or HEADGATE_SEAL_KEY, or let a controller run that has it. If it is lost: headgate seal rotate --lost.`,
    );
  }

  static behind(size: number, held: number, who: string): SealFault {
    return new SealFault(
      'stopped',
      `The log is not sealed any more: its newest head in the database covers ${size} events, but ${who} one of ${held}. Heads were removed, or an older backup was restored. ${NEXT}`,
    );
  }

  static altered(size: number, who: string): SealFault {
    return new SealFault(
      'stopped',
      `The log is not sealed any more: the first ${size} events do not lead to the root of the head of that size in ${who}. ${NEXT}`,
    );
  }

  static forged(size: number): SealFault {
    return new SealFault(
      'stopped',
      `The log is not sealed any more: the head of ${size} events in the database is not signed by a key of this log. ${NEXT}`,
    );
  }

  static damaged(what: string): SealFault {
    return new SealFault('stopped', `The log is not sealed any more: ${what} ${NEXT}`);
  }
}

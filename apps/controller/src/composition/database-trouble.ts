/** Why the database cannot do its work now, apart from what was asked of it. */
export type DatabaseTrouble = {
  readonly kind: 'unreachable' | 'read-only' | 'full' | 'newer';
  /** What happened and what to do about it. */
  readonly message: string;
};

const SYSTEM_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH)/;
/** The driver's own words, which carry no code. */
const BROKEN =
  /^(connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered|client was closed|cannot use a pool)/i;
/** Connection failures, shutdown and recovery, refused logins, missing database, too many connections. */
const AWAY = /^(08|57P|28|3D|53300)/;
const NO_ROOM = /^(53100|53200|58030)/;

type Failing = Exclude<DatabaseTrouble['kind'], 'newer'>;

const kindOf = (error: Error): Failing | undefined => {
  const code = 'code' in error ? String(error.code) : '';
  if (code === '25006') return 'read-only';
  if (NO_ROOM.test(code)) return 'full';
  return SYSTEM_CODES.test(code) || AWAY.test(code) || BROKEN.test(error.message) ? 'unreachable' : undefined;
};

const MESSAGES: Readonly<Record<Failing, (why: string) => string>> = {
  unreachable: (why) => `The database does not answer (${why}): bring it back, or check DATABASE_URL.`,
  'read-only': (why) =>
    `The database takes no writes (${why}): make it writable, or let DATABASE_URL name the primary.`,
  full: (why) => `The database has no room left (${why}): free space on its disk.`,
};

export const troubleOf = (kind: Failing, why: string): DatabaseTrouble => ({
  kind,
  message: MESSAGES[kind](why),
});

/** Tells an outage of the database from any other error, also where it is the cause of one; undefined for others. */
export const databaseTrouble = (error: unknown): DatabaseTrouble | undefined => {
  if (!(error instanceof Error)) return undefined;
  const kind = kindOf(error);
  if (kind === undefined) return databaseTrouble(error.cause);
  const code = 'code' in error ? String(error.code) : '';
  return troubleOf(kind, error.message === '' ? code : error.message);
};

/** What a script may rely on; documented in docs/reference/cli.md. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  rolledBack: 3,
  timeout: 4,
  waitingForPerson: 5,
  conflict: 6,
  auth: 7,
  altered: 8,
  notAnchored: 9,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One sentence for each exit code, in the order of `headgate help exit-codes`. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'done; for `watch`: the rollout settled everywhere'],
  [EXIT.unexpected, 'unexpected: the controller cannot be reached, failed, or answered what this version cannot read'],
  [EXIT.usage, 'usage: an argument or manifest is wrong, or what was named does not exist'],
  [
    EXIT.rolledBack,
    'the rollout that was watched ended without settling everywhere (rolled back, aborted, superseded, one track taken back alone); for `replay --assert`: not as expected',
  ],
  [EXIT.timeout, 'the --timeout of `watch` passed; the rollout goes on'],
  [EXIT.waitingForPerson, 'with --fail-on-hold: the rollout is held until a person acts'],
  [EXIT.conflict, 'conflict: the state does not allow it, or it changed since --if-version'],
  [EXIT.auth, 'no token, a wrong token, or a role that may not do this'],
  [EXIT.altered, 'for `verify`: the log was altered, or what it is compared with was'],
  [
    EXIT.notAnchored,
    'for `verify`: the log is consistent with itself, and nothing from outside says that it is the true one',
  ],
  [EXIT.interrupted, 'Ctrl-C; `watch` only detaches, the rollout goes on'],
];

import { join } from 'node:path';
import type { Command } from 'commander';
import { usageError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import type { ExitCode } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';
import { renderVerify } from '../render/verify.js';
import { several } from './arguments.js';
import { verifyPack } from './pack.js';

interface VerifyFlags {
  readonly database?: string | true;
  readonly key?: readonly string[];
  readonly head?: readonly string[];
  readonly witness?: readonly string[];
  readonly archive?: string;
}

const EXITS: Readonly<Record<'anchored' | 'not-anchored' | 'altered', ExitCode>> = {
  anchored: EXIT.ok,
  'not-anchored': EXIT.notAnchored,
  altered: EXIT.altered,
};

const dataFolder = ({ terminal }: Invocation): string => {
  const shown = terminal.env['HEADGATE_DATA_DIR'] || '.headgate';
  return shown.startsWith('/') ? shown : join(terminal.cwd, shown);
};

/** `--database URL`, then `DATABASE_URL`, then the embedded one that runs in the data folder. */
export const databaseOf = async (given: string | true | undefined, invocation: Invocation): Promise<string> => {
  if (typeof given === 'string') return given;
  const { localDatabase } = await import('../verify/index.js');
  const url = invocation.terminal.env['DATABASE_URL'] || localDatabase(join(dataFolder(invocation), 'postgres'));
  if (url !== undefined) return url;
  throw usageError('no database is known here', {
    next: 'name it: --database postgresql://…, or DATABASE_URL, or run it in the folder of a controller with an embedded database',
  });
};

/** verify */
export const addVerifyCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('verify [export]')
    .summary('whether the log, or an evidence pack, was altered, offline')
    .description(
      'Verifies an export (headgate log export) or a database, without a controller: every event, its place, the tree ' +
        'over all of them, and the signed heads. Names the first event that does not fit. Ends with 0 when all fits and ' +
        'a head from outside covers it, with 8 when something was altered, and with 9 when nothing from outside was given. ' +
        'Verifies an evidence pack (headgate pack) in the same way, with --key alone.',
    )
    .option('--database [url]', 'verify a database: this one, DATABASE_URL, or the embedded one of the data folder')
    .option('--archive <folder>', 'with --database: where headgate log archive put old events')
    .option('--key <key>', 'a public key, or a file with keys; may be repeated', several)
    .option('--head <file>', 'a signed head that you kept; may be repeated', several)
    .option('--witness <file>', 'the file of a witness; may be repeated', several)
    .action(async (exported: string | undefined, flags: VerifyFlags) => {
      if ((exported === undefined) === (flags.database === undefined))
        throw usageError('verify needs an export or --database', { next: 'see: headgate help verify' });
      const { isPack, verifyLog } = await import('../verify/index.js');
      if (exported !== undefined && isPack(exported)) {
        const others = (flags.head ?? flags.witness) !== undefined;
        await verifyPack(exported, { keys: flags.key ?? [], others }, invocation);
        return;
      }
      const report = await verifyLog({
        exported,
        databaseUrl: exported === undefined ? await databaseOf(flags.database, invocation) : undefined,
        keys: flags.key ?? [],
        heads: flags.head ?? [],
        witnesses: flags.witness ?? [],
        archive: flags.archive ?? (invocation.terminal.env['HEADGATE_ARCHIVE_DIR'] || undefined),
        onProgress: (line) => invocation.note(line),
      });
      invocation.exitCode = EXITS[report.verdict];
      invocation.print({
        data: report,
        text: (look) => renderVerify(report, look),
        names: report.faults.map(({ from, to }) => `event/${from === to ? from : `${from}-${to}`}`),
      });
    });
};

interface RotateFlags {
  readonly database?: string;
  readonly keyFile?: string;
  readonly lost?: boolean;
}

/** seal rotate */
export const addSealCommand = (program: Command, invocation: Invocation): void => {
  const seal = program
    .command('seal')
    .summary('the key that signs the log (on the machine that has it)')
    .description('Manages the key that signs the log. Works on the database and the key file, without a controller.');
  seal
    .command('rotate')
    .summary('make the next signing key')
    .description(
      'Makes a new signing key, which the old one vouches for, and puts it into the place of the old one. Controllers ' +
        'that read the key from that file take it up by themselves.',
    )
    .option('--database <url>', 'by default DATABASE_URL, or the embedded database of the data folder')
    .option('--key-file <file>', 'by default HEADGATE_SEAL_KEY_FILE, or seal-key in the data folder')
    .option('--lost', 'the old key is gone: the new one stands without it, and verifiers have to be told')
    .action(async ({ database, keyFile, lost = false }: RotateFlags) => {
      const { rotateKey } = await import('../verify/index.js');
      const file =
        keyFile ?? (invocation.terminal.env['HEADGATE_SEAL_KEY_FILE'] || join(dataFolder(invocation), 'seal-key'));
      const url = await databaseOf(database, invocation);
      if (lost) await invocation.confirm('Go on with a key that nobody vouches for?');
      const key = await rotateKey(url, file, lost, invocation.terminal.now());
      invocation.print({ data: key, text: () => key.publicKey, names: [`key/${key.id}`] });
      invocation.note(`the key ${key.id} signs heads of more than ${key.fromSize} events; it is in ${key.keyFile}`);
    });
};

/** migrate */
export const addMigrateCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('migrate')
    .summary('bring a database up to date as its owner, and let a role run controllers on it')
    .description(
      'Applies the migrations that are due, as a controller does at its start. With --role, that role may then run ' +
        'controllers: it reads everything, writes what controllers write, and can only add to the log.',
    )
    .option('--database <url>', 'by default DATABASE_URL, or the embedded database of the data folder')
    .option('--role <name>', 'a role that exists, by which controllers are to connect')
    .action(async ({ database, role }: { database?: string; role?: string }) => {
      const { migrateDatabase } = await import('../verify/index.js');
      const applied = await migrateDatabase(await databaseOf(database, invocation), role);
      invocation.print({
        data: { applied, role: role ?? null },
        text: () => (applied.length === 0 ? 'up to date' : applied.map((name) => `applied ${name}`).join('\n')),
        names: applied.map((name) => `migration/${name}`),
      });
      if (role !== undefined) invocation.note(`${role} may run controllers, and only add to the log`);
    });
};

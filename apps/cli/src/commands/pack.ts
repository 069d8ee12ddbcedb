import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CliError, messageOf, usageError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import type { ExitCode } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';
import { recomputedFrom, type PackedVerdicts } from '../recompute/index.js';
import { renderPack } from '../render/pack.js';
import { resolveRollout } from '../resolve.js';
import type { CheckedPack, PackReport } from '../verify/index.js';

const NAME = /^[a-z]+\.[a-z]+$/;

const unpack = async (archive: Buffer, folder: string): Promise<void> => {
  const { unzipPack } = await import('../verify/index.js');
  const files = unzipPack(archive);
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) {
    if (!NAME.test(name)) throw new CliError(`the pack has a file with the name ${name}`, EXIT.unexpected);
    writeFileSync(join(folder, name), bytes);
  }
};

/** pack */
export const addPackCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('pack <rollout>')
    .summary('an evidence pack of a rollout, for somebody without access')
    .description(
      'Writes all that an auditor needs to see what was done in a rollout and on what grounds: its events with proofs that ' +
        'they are in the signed log, what its verdicts rest on, the revisions that it used, and a page to read. ' +
        'Verify it, anywhere: headgate verify PACK --key KEY.',
    )
    .option('--out <file>', 'an archive (its name ends with .zip) or a folder; by default rollout-ID.zip')
    .action(async (reference: string, { out }: { out?: string }) => {
      const { id } = await resolveRollout(invocation.client, reference, 'read');
      const archive = Buffer.from(await invocation.client.pack(id));
      const path = out ?? `rollout-${id}.zip`;
      const isArchive = path.endsWith('.zip');
      if (isArchive) writeFileSync(path, archive);
      else await unpack(archive, path);
      invocation.print({ data: { rollout: id, pack: path }, text: () => path, names: [`rollout/${id}`] });
      invocation.note(`for whoever has a public key of the log: headgate verify ${path} --key KEY`);
    });
};

const EXITS: Readonly<Record<PackReport['verdict'], ExitCode>> = {
  proved: EXIT.ok,
  'not-anchored': EXIT.notAnchored,
  altered: EXIT.altered,
};

type Judged = {
  readonly faults: readonly string[];
  readonly proved: readonly string[];
  readonly unproved: readonly string[];
};

const judged = ({ verdicts, parities, unbound, isCompacted, looks }: PackedVerdicts): Judged => {
  const again = [...verdicts, ...parities];
  const skipped = again.filter((each) => each.skipped !== null).length;
  const faults = again.flatMap(({ position, differs }) =>
    differs.map((how) => `the verdict of event ${position} comes out otherwise: ${how}`),
  );
  return {
    faults: [...unbound.map((what) => `looks.ndjson: ${what}`), ...faults],
    proved: [
      `${looks} looks are those whose digests the verdicts name`,
      `${again.length - skipped} of ${again.length} verdicts come out the same from them`,
    ],
    unproved: [
      ...(skipped === 0
        ? []
        : [`${skipped} verdicts of invariants, which rest on violations that are not in the pack`]),
      ...(isCompacted ? ['looks are kept by the hour: e-values are not compared, and counts as sums only'] : []),
    ],
  };
};

const NO_LOOKS: Judged = {
  faults: [],
  proved: [],
  unproved: ['the verdicts: their looks are too much for a pack (on the controller: headgate explain --recompute)'],
};

/** What the verdicts rest on; whatever cannot be read there is a fault. */
const judge = ({ rollout, bodies, looks }: CheckedPack): Judged => {
  if (looks === undefined) return NO_LOOKS;
  try {
    return judged(
      recomputedFrom(
        bodies.filter(({ streamId }) => streamId === `rollout-${rollout}`),
        looks,
      ),
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'UnknownEventError')
      return { faults: [], proved: [], unproved: [`the verdicts: ${error.message}`] };
    return { faults: [`the verdicts cannot be computed again: ${messageOf(error)}`], proved: [], unproved: [] };
  }
};

const ALWAYS_UNPROVED = [
  'that nothing came after the last event in here',
  'that what the fleets reported was true, and how many requests there were',
  'that it is the log that others see: compare its head with one of your own (headgate verify EXPORT --head)',
];

const reportOf = (checked: CheckedPack, found: Judged): PackReport => {
  const { isHeld, rollout, origin, madeAt, files, events, head, notes } = checked;
  const faults = [...checked.faults, ...found.faults];
  const inLog = `${events} events are in the signed log, byte by byte`;
  const isAltered = faults.length > 0;
  return {
    rollout,
    origin,
    madeAt,
    files,
    events,
    head,
    notes,
    verdict: isAltered ? 'altered' : isHeld ? 'proved' : 'not-anchored',
    faults,
    proved: isAltered ? [] : [inLog, `${files - 1} files are those that the key of the log signed`, ...found.proved],
    unproved: [...found.unproved, ...ALWAYS_UNPROVED],
  };
};

/** Verifies an evidence pack with nothing but the keys that are given. */
export const verifyPack = async (
  path: string,
  { keys, others }: { readonly keys: readonly string[]; readonly others: boolean },
  invocation: Invocation,
): Promise<void> => {
  if (others) throw usageError('a pack is verified with --key alone', { next: 'heads and witnesses are for exports' });
  const { checkPack, readPack } = await import('../verify/index.js');
  const checked = checkPack(readPack(path), keys);
  const report = reportOf(checked, judge(checked));
  invocation.exitCode = EXITS[report.verdict];
  invocation.print({
    data: report,
    text: (look) => renderPack(report, look),
    names: report.rollout === null ? [] : [`rollout/${report.rollout}`],
  });
};

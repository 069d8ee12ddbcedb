import type { Command } from 'commander';
import { EXIT } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';
import { renderEvidence, renderRecomputed } from '../render/evidence.js';
import { recomputed, type Recomputed } from '../recompute/index.js';
import { resolveRollout } from '../resolve.js';

const recompute = async (invocation: Invocation, rollout: string, signal: string | undefined): Promise<void> => {
  const { looks, verdicts, parities } = await recomputed(invocation.client, rollout);
  const wanted = verdicts.filter(({ verdict }) => signal === undefined || verdict.signal === signal);
  const asked = parities.filter(({ parity }) => signal === undefined || parity.signal === signal);
  const differing = wanted.filter(({ differs }) => differs.length > 0);
  const disagreeing = asked.filter(({ differs }) => differs.length > 0);
  invocation.print({
    data: { looks, verdicts: wanted, parities: asked },
    text: (look) => renderRecomputed(wanted, asked, look),
    names: [...wanted, ...asked].map(({ position }) => `event/${position}`),
  });
  invocation.note(summaryOf(wanted, differing, looks));
  if (asked.length > 0) invocation.note(paritySummary(asked.length, disagreeing.length));
  const since = wanted.find(({ compacted }) => compacted !== null)?.compacted?.at;
  if (since !== undefined) invocation.note(compactedWords(since));
  if (differing.length + disagreeing.length > 0) invocation.exitCode = EXIT.conflict;
};

const summaryOf = (all: readonly Recomputed[], differing: readonly Recomputed[], looks: number): string => {
  const done = all.filter(({ skipped }) => skipped === null);
  if (done.length === 0) return 'no verdict was recorded that can be computed again from looks';
  return differing.length === 0
    ? `${done.length} of ${done.length} verdicts come out the same from ${looks} stored looks`
    : `${differing.length} of ${done.length} verdicts come out otherwise: the stored looks or the log were altered, or another version judged`;
};

const paritySummary = (all: number, differing: number): string =>
  differing === 0
    ? `${all} of ${all} judgements of parity come out the same from their counts`
    : `${differing} of ${all} judgements of parity come out otherwise: the log was altered, or another version judged`;

const compactedWords = (since: string): string =>
  `compacted on ${since.slice(0, 10)}: the verdicts of this rollout can be checked up to the hour, their digests against ` +
  'the stored chain; e-values, which change with each look, and what follows from them are not compared';

/** explain */
export const addExplainCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('explain <rollout> [signal]')
    .summary('what the verdicts of a rollout rest on')
    .description(
      'Shows what each verdict rests on: counts, estimate, interval, the e-value and the bound it must reach, margins and ' +
        'freshness; with a signal also its slices and its course over time. --recompute computes every recorded verdict again, ' +
        'on this machine, from the log and the stored looks, and compares.',
    )
    .option('--recompute', 'compute the recorded verdicts again and compare')
    .action(async (reference: string, signal: string | undefined, flags: { recompute?: boolean }) => {
      const { id } = await resolveRollout(invocation.client, reference, 'read');
      const evidence = await invocation.client.evidence(id, signal);
      if (flags.recompute) return recompute(invocation, id, signal);
      invocation.print({
        data: evidence,
        text: (look) => renderEvidence(evidence, signal !== undefined, look),
        names: evidence.signals.map((each) => `signal/${each.signal}`),
      });
      const [first] = evidence.signals;
      if (signal === undefined && first !== undefined)
        invocation.note(`one signal with its slices and its course: headgate explain ${reference} ${first.signal}`);
      return undefined;
    });
};

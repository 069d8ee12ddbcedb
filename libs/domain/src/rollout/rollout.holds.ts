import type { RecordedVerdict, RolloutEvent } from '../events/index.js';
import { absences, absenceWords } from './rollout.absent.js';
import type { Facts } from './rollout.facts.js';
import { isBad, onFailOf } from './rollout.missing.js';
import { disparity } from './rollout.parity.js';
import { trackOf, type Rollout } from './rollout.state.js';
import { liveTracks, targetsOf } from './tracks.js';

/** What a degradation is found by: a verdict, or that there can be none. */
export type Failure = Pick<RecordedVerdict, 'signal' | 'sentence' | 'track'>;

const silence = (rollout: Rollout, facts: Facts): string | undefined => {
  if (rollout.status === 'watching') {
    return facts.watch.silentMs > rollout.plan.graceMs ? 'the watch: no evidence arrives' : undefined;
  }
  if (rollout.status !== 'staging') return undefined;
  const silent = liveTracks(rollout)
    .filter((track) => trackOf(rollout, track.name).stage >= 0)
    .filter((track) => (facts.stages[track.name]?.silentMs ?? 0) > rollout.plan.graceMs)
    .map(({ name }) => name);
  return silent.length > 0 ? `${silent.join(', ')}: no evidence arrives` : undefined;
};

/** Names each signal that nobody has measured for longer than the grace, and where. */
const blindness = (rollout: Rollout, facts: Facts): string | undefined => {
  const said = absences(rollout, facts, 'hold').map(absenceWords);
  return said.length > 0 ? `${said.join('; ')}: see whether its check still runs there` : undefined;
};

/** What is gone on without, as far as that has changed. */
export const warnings = (rollout: Rollout, facts: Facts): RolloutEvent[] => {
  const { id, without } = rollout;
  const missing = absences(rollout, facts, 'warn');
  const names = missing.map(({ signal }) => signal.signal);
  return [
    ...missing
      .filter(({ signal }) => !without.includes(signal.signal))
      .map((absence): RolloutEvent => {
        const data = { signal: absence.signal.signal, targets: [...absence.targets], sentence: absenceWords(absence) };
        return { type: 'EvidenceMissing', data: { rollout: id, ...data } };
      }),
    ...without
      .filter((signal) => !names.includes(signal) && (rollout.status === 'staging' || rollout.status === 'watching'))
      .map((signal): RolloutEvent => ({ type: 'EvidenceReturned', data: { rollout: id, signal } })),
  ];
};

/** A signal without which the rollout may not stay: as a failure of it, in the track where it is missing. */
export const lost = (rollout: Rollout, facts: Facts): Failure | undefined => {
  const [absence] = absences(rollout, facts, 'roll-back');
  if (absence === undefined) return undefined;
  const track = rollout.plan.tracks.find((each) => targetsOf([each]).includes(absence.targets[0] ?? ''));
  const sentence = `${absence.signal.title}: ${absenceWords(absence)}, and without it the rollout may not stay`;
  return { signal: absence.signal.signal, sentence, track: track?.name ?? null };
};

/** Signals that are shown to be bad, and hold the rollout for it. */
const worry = (rollout: Rollout, facts: Facts): string | undefined => {
  if (rollout.status !== 'staging' && rollout.status !== 'watching') return undefined;
  const bad = facts.verdicts.filter((verdict) => isBad(rollout, verdict) && onFailOf(rollout, verdict) === 'hold');
  return bad.length > 0 ? bad.map(({ sentence }) => sentence).join('; ') : undefined;
};

const skew = ({ status }: Rollout, facts: Facts): string | undefined =>
  status === 'staging' || status === 'watching' ? facts.skew : undefined;

const drift = ({ status }: Rollout, facts: Facts): string | undefined =>
  status === 'staging' || status === 'watching' || status === 'settling' ? facts.drift : undefined;

/** What a hold is about: its reason up to the counts and the advice, which follow a colon and change all the time. */
const subjectOf = (reason: string): string => reason.split(':', 1)[0] ?? reason;

/**
 * Holds that nobody asked for: nothing measured, platforms that differ, a signal that worries; and the end of a pause that
 * has run out. Where one reason takes the place of another that is said too, so that nobody looks for what is over.
 */
export const holds = (rollout: Rollout, at: number, facts: Facts): RolloutEvent[] => {
  const { held, id } = rollout;
  if (held?.by === 'person') {
    return held.until !== null && at >= held.until
      ? [{ type: 'RolloutResumed', data: { rollout: id, by: 'policy', reason: 'the pause has run out' } }]
      : [];
  }
  const reason =
    drift(rollout, facts) ??
    silence(rollout, facts) ??
    blindness(rollout, facts) ??
    skew(rollout, facts) ??
    disparity(rollout, facts) ??
    worry(rollout, facts);
  if (reason !== undefined && (held === null || subjectOf(held.reason) !== subjectOf(reason))) {
    return [{ type: 'RolloutHeld', data: { rollout: id, by: 'policy', reason, until: null } }];
  }
  return reason === undefined && held !== null
    ? [{ type: 'RolloutResumed', data: { rollout: id, by: 'policy', reason: 'what it was held for is over' } }]
    : [];
};

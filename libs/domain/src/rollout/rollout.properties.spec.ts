import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lives, play, recorded, type Step } from '#libs/testing';
import { asHeadgateEvent, eventCodec, rolloutEvents, summarise, type RolloutEvent } from '../index.js';
import {
  isNotReached,
  isOnWayBack,
  isOver,
  isTakenBack,
  letGoOf,
  liveTargets,
  missingForSettling,
  missingForStage,
  rolloutDecider,
  trackOf,
  type Facts,
  type Rollout,
} from './index.js';

/** What may happen on a target between its read-back and its drain. */
const DRAINING: ReadonlySet<string> = new Set([
  'ExposureChanged',
  'ExposureFailed',
  'TargetConverged',
  'StickinessDropped',
  'TargetDrained',
]);

/** A failure prints its seed; HEADGATE_SEED=<seed> repeats it, HEADGATE_RUNS=<runs> plays more lives. */
const seed = Number(process.env['HEADGATE_SEED'] ?? 20_250_829);
const numRuns = Number(process.env['HEADGATE_RUNS'] ?? 150);
const samples = fc.sample(lives, { seed, numRuns }).map((life) => play(life));

/** Checks the lives that were played once for all properties; a failure is then shrunk to the shortest life. */
const holds = (check: (steps: readonly Step[]) => void): void => {
  try {
    for (const steps of samples) check(steps);
  } catch (error) {
    fc.assert(
      fc.property(lives, (life) => check(play(life))),
      { seed, numRuns },
    );
    throw error;
  }
};

const runningBefore = ({ before }: Step): Rollout | undefined =>
  before.status === 'none' || isOver(before) ? undefined : before;
const has = (step: Step, type: RolloutEvent['type']): boolean => step.events.some((event) => event.type === type);
/** Whether a signal without which the rollout may not stay is missing on something that is exposed. */
const isLost = ({ plan, status, tracks }: Rollout, { unmeasured = [], stages, watch }: Facts): boolean => {
  const entered = plan.tracks.filter(({ name }) => (tracks[name]?.stage ?? -1) >= 0 && !tracks[name]?.takenBack);
  return plan.signals.some(({ signal, missing, shadow }) => {
    if (missing !== 'roll-back' || shadow || (status !== 'staging' && status !== 'watching')) return false;
    const silent = status === 'watching' ? [watch.silentMs] : entered.map(({ name }) => stages[name]?.silentMs ?? 0);
    const blind = unmeasured.filter(
      (each) =>
        each.signal === signal &&
        plan.tracks.some(
          (track) => !tracks[track.name]?.takenBack && track.targets.some(({ target }) => target === each.target),
        ),
    );
    return Math.max(0, ...silent, ...blind.map(({ ms }) => ms)) > plan.graceMs;
  });
};
const hasBegun = (rollout: Rollout | undefined, track: string): boolean =>
  rollout !== undefined && trackOf(rollout, track).stage >= 0;
const reached = (rollout: Rollout): string[] =>
  Object.entries(rollout.targets).flatMap(([target, { wanted }]) => (wanted ? [target] : []));

describe('the lives that are played', () => {
  it('reach every status and every event of a rollout, so that the properties below mean something', () => {
    const seen = new Set<string>();
    holds((steps) => {
      for (const { events, after } of steps) {
        seen.add(after.status);
        for (const { type } of events) seen.add(type);
      }
    });
    const statuses = ['staging', 'watching', 'settling', 'rolling-back', 'settled', 'rolled-back', 'superseded'];
    expect([...seen].toSorted()).toEqual([...statuses, ...Object.keys(rolloutEvents)].toSorted());
  });
});

describe('whatever happens to a rollout', () => {
  it('rule 2: while anything is exposed, a failed signal takes it back, whatever else is the case', () => {
    holds((steps) => {
      for (const step of steps) {
        const { command } = step;
        const rollout = runningBefore(step);
        if (command.type !== 'AssessRollout' || !rollout || rollout.status === 'rolling-back') continue;
        const failed = command.facts.verdicts.filter(
          ({ verdict, shadow, track }) =>
            verdict === 'fail' && !shadow && (track === null || !isTakenBack(rollout, track)),
        );
        expect(has(step, 'RollbackStarted')).toBe(failed.length > 0 || isLost(rollout, command.facts));
        const { after } = step;
        if (failed.length === 0 || after.status === 'none' || after.status === 'rolling-back') continue;
        expect(rollout.plan.rollbackScope).toBe('track');
        expect(isTakenBack(after, failed[0]?.track ?? '')).toBe(true);
      }
    });
  });

  it('rules 2 and 5: it can be aborted at every moment before its end, and that asks every exposed target for the control', () => {
    holds((steps) => {
      for (const { after } of steps) {
        if (after.status === 'none' || isOver(after)) continue;
        const decision = rolloutDecider.decide(after, { type: 'AbortRollout', reason: 'now' });
        if (!decision.accepted) throw new Error(decision.rejection.message);
        const asked = decision.events.flatMap((event) => (event.type === 'ExposureRequested' ? [event.data] : []));
        if (after.status === 'rolling-back') {
          expect(asked).toEqual([]);
        } else {
          expect(asked.map(({ target }) => target).toSorted()).toEqual(
            reached(after)
              .filter((target) => after.targets[target]?.wanted?.purpose !== 'rollback')
              .toSorted(),
          );
          for (const { target, shareBp, control } of asked) {
            expect([shareBp, control]).toEqual([0, after.targets[target]?.control]);
          }
        }
      }
    });
  });

  it('rules 3 and 4: a stage passes only with everything of its own there, or by a named promote', () => {
    holds((steps) => {
      for (const step of steps) {
        const { command, events } = step;
        const rollout = runningBefore(step);
        if (!rollout || !has(step, 'StagePassed')) continue;
        if (command.type !== 'AssessRollout') {
          expect(command.type).toBe('PromoteRollout');
          expect(has(step, 'BakeSkipped')).toBe(true);
          continue;
        }
        expect(rollout.held).toBeNull();
        for (const event of events) {
          if (event.type !== 'StagePassed') continue;
          const track = rollout.plan.tracks.find(({ name }) => name === event.data.track);
          const stage = track?.stages[trackOf(rollout, event.data.track).stage];
          if (!track || !stage) throw new Error('A stage passed that the track was not in.');
          const known = command.facts.stages[track.name];
          expect(known?.stage).toBe(stage.name);
          expect(known?.bakedMs).toBeGreaterThanOrEqual(stage.bakeMs);
          for (const { target, models } of track.targets) {
            const progress = rollout.targets[target];
            expect(progress?.converged).toBeGreaterThanOrEqual(progress?.wanted?.generation ?? Number.NaN);
            for (const model of models) {
              const units =
                known?.activation.find((cell) => cell.target === target && cell.model === model)?.units ?? 0;
              expect(units).toBeGreaterThanOrEqual(stage.activation);
            }
          }
          for (const { signal, shadow, missing } of rollout.plan.signals) {
            // Without it on the word of its policy, which has said so.
            if (shadow || (missing === 'warn' && rollout.without.includes(signal))) continue;
            const verdict = command.facts.verdicts.find((each) => each.signal === signal && each.track === track.name);
            expect([verdict?.verdict, verdict?.stage]).toEqual(['pass', stage.name]);
          }
        }
      }
    });
  });

  it('rules 4 and 5: a target converges with all that are known, with a quorum after its time, and back only with all', () => {
    holds((steps) => {
      for (const step of steps) {
        const { command } = step;
        const rollout = runningBefore(step);
        if (!rollout || command.type !== 'AssessRollout') continue;
        for (const event of step.events) {
          if (event.type !== 'TargetConverged') continue;
          const { target, generation, absent } = event.data;
          const known = command.facts.targets[target];
          const {
            acknowledged = 0,
            instances = 0,
            silent = [],
            waitedMs = 0,
            acknowledgedGeneration = 0,
          } = known ?? {};
          const isBack = rollout.targets[target]?.wanted?.purpose === 'rollback';
          const all = acknowledged === instances && acknowledgedGeneration >= generation;
          if (all && (isBack || silent.length === 0)) continue;
          expect(isBack).toBe(false);
          const { quorumBp, withinMs } = rollout.plan.convergence ?? { quorumBp: Infinity, withinMs: Infinity };
          expect(waitedMs).toBeGreaterThanOrEqual(withinMs);
          expect(acknowledged * 10_000).toBeGreaterThanOrEqual(quorumBp * (instances + silent.length));
          expect(absent).toEqual(expect.arrayContaining([...silent]));
        }
      }
    });
  });

  it('rule 4: what says that nothing is missing and what lets a stage pass are the same', () => {
    holds((steps) => {
      for (const step of steps) {
        const { command } = step;
        const rollout = runningBefore(step);
        if (!rollout || command.type !== 'AssessRollout') continue;
        for (const event of step.events) {
          const track =
            event.type === 'StagePassed' && rollout.plan.tracks.find(({ name }) => name === event.data.track);
          if (track) expect(missingForStage(rollout, track, command.facts)).toEqual([]);
        }
        if (rollout.status === 'watching' && step.after.status === 'settling')
          expect(missingForSettling(rollout, command.facts)).toEqual([]);
      }
    });
  });

  it('rule 5: once a rollback has started no share is asked for but none, and it starts only once', () => {
    holds((steps) => {
      const events = steps.flatMap((step) => step.events);
      const started = events.findIndex((event) => event.type === 'RollbackStarted' && event.data.track === null);
      if (started < 0) return;
      const later = events.slice(started);
      for (const event of later) if (event.type === 'ExposureRequested') expect(event.data.shareBp).toBe(0);
      expect(later.filter(({ type }) => type === 'RollbackStarted')).toHaveLength(1);
      expect(later.some(({ type }) => type === 'RolloutSettled' || type === 'StageEntered')).toBe(false);
    });
  });

  it('rule 5: a track that is taken back alone is asked once, stays out, and takes nothing from the others', () => {
    let alone = 0;
    holds((steps) => {
      const out = new Set<string>();
      for (const { events, before } of steps) {
        for (const event of events) {
          if (event.type === 'ExposureRequested' && out.has(event.data.target))
            expect(event.data.purpose).toBe('rollback');
          if (event.type !== 'RollbackStarted' || event.data.track === null || before.status === 'none') continue;
          alone += 1;
          const { track: name, targets } = event.data;
          const mine = before.plan.tracks.find((track) => track.name === name)?.targets.map(({ target }) => target);
          const asked = events.flatMap((each) => (each.type === 'ExposureRequested' ? [each.data.target] : []));
          expect(asked).toEqual(targets);
          for (const target of asked) expect(mine).toContain(target);
          expect(asked.some((target) => out.has(target))).toBe(false);
          for (const target of asked) out.add(target);
        }
      }
    });
    expect(alone).toBeGreaterThan(0);
  });

  it('a track that waits for one that was taken back is never begun, and its targets are let go with the others', () => {
    holds((steps) => {
      for (const { before, after } of steps) {
        if (before.status === 'none' || after.status === 'none') continue;
        const freed = letGoOf(after);
        expect(freed).toEqual(expect.arrayContaining([...letGoOf(before)]));
        for (const track of after.plan.tracks) {
          if (isNotReached(before, track)) expect(trackOf(after, track.name).stage).toBe(-1);
        }
      }
    });
  });

  it('rule 4: a track that asks for the parity of others begins only once it is shown, or by a named promote', () => {
    let [begun, kept] = [0, 0];
    holds((steps) => {
      for (const step of steps) {
        const rollout = runningBefore(step);
        const { command } = step;
        const asking = rollout?.plan.tracks.filter(({ parity }) => parity.length > 0) ?? [];
        for (const { name } of asking) {
          const begins = step.events.some(
            (event) => event.type === 'StageEntered' && event.data.track === name && !hasBegun(rollout, name),
          );
          if (!begins) kept += 1;
          else if (command.type === 'AssessRollout') {
            begun += 1;
            expect(command.facts.parity?.every(({ verdict }) => verdict === 'pass')).toBe(true);
            expect(['api', 'bedrock'].every((other) => hasBegun(rollout, other))).toBe(true);
          } else expect(command).toMatchObject({ type: 'PromoteRollout', track: name });
        }
      }
    });
    expect(Math.min(begun, kept)).toBeGreaterThan(0);
  });

  it('rule 3: nothing but a takeback or what was already under way happens while platforms are shown to differ', () => {
    let differing = 0;
    holds((steps) => {
      for (const step of steps) {
        const rollout = runningBefore(step);
        if (step.command.type !== 'AssessRollout' || rollout?.status !== 'staging') continue;
        const fails = step.command.facts.parity?.some(({ verdict }) => verdict === 'fail') ?? false;
        if (!fails || has(step, 'RollbackStarted')) continue;
        differing += 1;
        expect(has(step, 'StageEntered') || has(step, 'FullyExposed')).toBe(false);
        expect(step.after).toMatchObject({ held: expect.anything() });
      }
    });
    expect(differing).toBeGreaterThan(0);
  });

  it('rule 5: a rollback ends only when every exposed target was read back and has drained, or was given up by a person', () => {
    holds((steps) => {
      for (const step of steps) {
        const { before, events } = step;
        const end = events.find((event) => event.type === 'RolledBack');
        if (!end || before.status === 'none' || end.type !== 'RolledBack') continue;
        expect(Object.keys(end.data.targets)).toEqual(reached(before));
        for (const target of reached(before)) {
          const progress = before.targets[target];
          expect(progress?.ended).toBe(end.data.targets[target]);
          if (progress?.ended !== 'abandoned') expect(progress?.readBack).toBe(true);
        }
      }
    });
  });

  it('rule 5: only a person gives a target up, only in a rollback, and with a reason that stays', () => {
    holds((steps) => {
      for (const { before, command, events } of steps) {
        for (const event of events) {
          if (event.type !== 'TargetDrained') continue;
          const given = command.type === 'AbandonTarget';
          expect(event.data.outcome === 'abandoned').toBe(given);
          if (!given) continue;
          const wanted = before.status === 'none' ? null : before.targets[event.data.target]?.wanted;
          expect(wanted?.purpose).toBe('rollback');
          expect(event.data).toMatchObject({ target: command.target, detail: command.reason });
        }
      }
    });
  });

  it('only one that is watched, and that no person has paused, can be superseded; a bypass can in spite of it', () => {
    holds((steps) => {
      for (const step of steps) {
        if (step.command.type !== 'SupersedeRollout') continue;
        const { before, command } = step;
        const isPaused = before.status === 'watching' && before.held?.by === 'person';
        const isFree = before.status === 'watching' && (!isPaused || command.bypasses);
        expect(step.decision.accepted).toBe(isFree);
        expect(step.events.map(({ type }) => type)).toEqual(isFree ? ['RolloutSuperseded'] : []);
      }
    });
  });

  it('rule 6: the generation asked of a target only grows, and nothing older counts as its delivery', () => {
    holds((steps) => {
      const generations = new Map<string, number>();
      for (const { before, after, command, events } of steps) {
        for (const event of events) {
          if (event.type !== 'ExposureRequested' && event.type !== 'StickinessDropped') continue;
          expect(event.position).toBeGreaterThan(generations.get(event.data.target) ?? 0);
          generations.set(event.data.target, event.position);
        }
        if (before.status === 'none' || after.status === 'none') continue;
        // One assertion for a step: there are hundreds of thousands of these.
        const wrong = Object.entries(after.targets).filter(([target, { delivered, converged, wanted }]) => {
          const earlier = before.targets[target];
          const isDelivered = delivered !== earlier?.delivered && command.type === 'RecordExposureChanged';
          return (
            wanted?.generation !== generations.get(target) ||
            delivered < (earlier?.delivered ?? 0) ||
            converged < (earlier?.converged ?? 0) ||
            converged > delivered ||
            (isDelivered && command.generation < (wanted?.generation ?? Number.NaN))
          );
        });
        expect(wrong).toEqual([]);
      }
    });
  });

  it('rule 7: it settles only when every target of the plan has all of it, and keeps its controls', () => {
    holds((steps) => {
      const pinned = steps[0]?.after;
      for (const step of steps) {
        const { before, after } = step;
        if (after.status === 'none' || pinned?.status !== 'staging') continue;
        for (const [target, { control }] of Object.entries(after.targets))
          expect(control).toBe(pinned.targets[target]?.control);
        if (!has(step, 'RolloutSettled') || before.status === 'none') continue;
        expect(before.held).toBeNull();
        const live = liveTargets(before);
        const settled = step.events.flatMap((event) => (event.type === 'RolloutSettled' ? event.data.targets : []));
        expect(settled).toEqual(live);
        for (const [target, { wanted, converged, readBack, ended }] of Object.entries(before.targets)) {
          if (!live.includes(target)) {
            expect(wanted === null || readBack || ended !== null).toBe(true);
            continue;
          }
          expect(wanted).toMatchObject({ shareBp: 10_000, purpose: 'settle' });
          expect(converged).toBeGreaterThanOrEqual(wanted?.generation ?? Number.NaN);
        }
      }
    });
  });

  it('a stage never exposes more than its plan says, and never less than the stage before', () => {
    holds((steps) => {
      const shares = new Map<string, number>();
      for (const event of steps.flatMap(({ events }) => events)) {
        if (event.type !== 'ExposureRequested' || event.data.purpose === 'rollback') continue;
        expect(event.data.shareBp).toBeGreaterThanOrEqual(shares.get(event.data.target) ?? 0);
        shares.set(event.data.target, event.data.shareBp);
      }
    });
  });

  it('while a person has paused it, it goes on only with a resume, a rollback or the end of the pause', () => {
    holds((steps) => {
      for (const step of steps) {
        const rollout = runningBefore(step);
        if (rollout?.held?.by !== 'person') continue;
        for (const type of ['StagePassed', 'StageEntered', 'FullyExposed', 'RolloutSettled'] as const)
          expect(has(step, type)).toBe(false);
      }
    });
  });

  it('nothing happens after the end but what ends the drain of a track that was taken back alone', () => {
    holds((steps) => {
      const end = steps.findIndex(({ after }) => after.status !== 'none' && isOver(after));
      for (const { before, events, after } of end < 0 ? [] : steps.slice(end + 1)) {
        if (before.status === 'none' || after.status === 'none') continue;
        const open = Object.entries(before.targets).flatMap(([target, each]) => (isOnWayBack(each) ? [target] : []));
        const isOfDrain = ({ type, data }: RolloutEvent): boolean =>
          DRAINING.has(type) && 'target' in data && open.includes(data.target);
        expect(events.filter((event) => !isOfDrain(event))).toEqual([]);
        expect([after.status, after.endedAt]).toEqual([before.status, before.endedAt]);
      }
    });
  });

  it('deciding the same again on the new state adds nothing; only a promote, which means the stage it meets, goes on', () => {
    holds((steps) => {
      for (const { command, after } of steps) {
        if (command.type === 'PromoteRollout') continue;
        let state = after;
        let added = 0;
        for (let again = 0; again < 30; again += 1) {
          const decision = rolloutDecider.decide(state, command);
          const events = decision.accepted ? decision.events : [];
          added = events.length;
          if (added === 0) break;
          expect(command.type).toBe('AssessRollout');
          for (const [index, event] of events.entries())
            state = rolloutDecider.evolve(state, { ...event, position: 1_000_000 + again * 1_000 + index, at: 0 });
        }
        expect(added).toBe(0);
      }
    });
  });

  it('the same facts never carry one track through two stages', () => {
    holds((steps) => {
      for (const { command, before } of steps) {
        if (command.type !== 'AssessRollout' || before.status !== 'staging') continue;
        const passed: string[] = [];
        let state: typeof before | ReturnType<typeof rolloutDecider.evolve> = before;
        for (let again = 0; again < 10; again += 1) {
          const decision = rolloutDecider.decide(state, command);
          for (const [index, event] of (decision.accepted ? decision.events : []).entries()) {
            if (event.type === 'StagePassed') passed.push(event.data.track);
            state = rolloutDecider.evolve(state, { ...event, position: 1_000_000 + again * 1_000 + index, at: 0 });
          }
          if (state.status === 'none') break;
          for (const [target, { wanted }] of Object.entries(state.targets)) {
            const generation = wanted?.generation ?? 0;
            if (wanted)
              state = rolloutDecider.evolve(state, {
                type: 'ExposureChanged',
                data: { rollout: 'ro-1', target, generation, shareBp: 0 },
                position: 1,
                at: 0,
              });
            if (wanted)
              state = rolloutDecider.evolve(state, {
                type: 'TargetConverged',
                data: { rollout: 'ro-1', target, generation, instances: 1, absent: [] },
                position: 1,
                at: 0,
              });
          }
        }
        expect(passed).toHaveLength(new Set(passed).size);
      }
    });
  });

  it('every event fits its schema, survives JSON and the codec unchanged, and reads as a sentence', () => {
    holds((steps) => {
      for (const event of steps.flatMap(({ events }) => events)) {
        const stored = recorded(event);
        eventCodec.check(stored);
        const read = asHeadgateEvent(eventCodec.decode(JSON.parse(JSON.stringify(stored)) as typeof stored));
        expect(read).toEqual(event);
        expect(summarise(read)).toMatch(/\S.*\S/);
        expect(summarise(read)).not.toMatch(/undefined|NaN|\[object/);
      }
    });
  });

  it('any event can be applied to any state', () => {
    fc.assert(
      fc.property(lives, lives, (one, other) => {
        const events = play(other).flatMap((step) => step.events);
        const states = play(one).map(({ after }) => after);
        for (const [index, event] of events.entries()) {
          const state = states[index % states.length] ?? rolloutDecider.initial;
          expect(() => rolloutDecider.evolve(state, event)).not.toThrow();
        }
        for (const event of events) {
          if (event.type !== 'RolloutPlanned')
            expect(rolloutDecider.evolve(rolloutDecider.initial, event)).toBe(rolloutDecider.initial);
        }
      }),
      { seed, numRuns: 100 },
    );
  });
});

import type { Rejection } from '#libs/kernel';
import { duplicate, faults, waitsForItself } from './plan.fault.js';
import { parityFaults } from './plan.parity.js';
import { afterOf, stageName } from './plan.names.js';
import type { PlanSpec } from './plan.types.js';

const stageFaults = (plan: PlanSpec): Rejection[] =>
  plan.tracks.flatMap((track, t) =>
    track.stages.flatMap((stage, s) => {
      const at = `/spec/tracks/${t}/stages/${s}`;
      const previous = track.stages[s - 1];
      const last = s === track.stages.length - 1;
      const unknown = Object.keys(stage.tolerate).find((name) => !plan.signals.some(({ signal }) => signal === name));
      return [
        ...(stage.exposure === 0
          ? faults(
              'exposure-out-of-range',
              `${at}/exposure`,
              `Stage ${s + 1} of track ${track.name} exposes nothing: give it a share above 0%.`,
            )
          : []),
        ...(previous && stage.exposure <= previous.exposure
          ? faults(
              'exposure-shrinks',
              `${at}/exposure`,
              `Stage ${stageName(stage.exposure)} of track ${track.name} comes after ${stageName(previous.exposure)}: each stage must expose more than the one before.`,
            )
          : []),
        ...(last && stage.exposure !== 10_000
          ? faults(
              'plan-stops-short',
              `${at}/exposure`,
              `Track ${track.name} ends at ${stageName(stage.exposure)}: its last stage must be 100% (the holdback stays on control).`,
            )
          : []),
        ...(s === 0 && stage.exposure - plan.holdback === 10_000
          ? faults(
              'stage-never-measures',
              `${at}/exposure`,
              `Track ${track.name} starts at 100% without a holdback, so there is never a control to measure against: begin with a smaller stage, or keep a holdback.`,
            )
          : []),
        ...(unknown === undefined
          ? []
          : faults(
              'signal-not-in-plan',
              `${at}/tolerate/${unknown}`,
              `Signal ${unknown} is not in this plan: add it under spec.signals.`,
            )),
      ];
    }),
  );

const trackFaults = (plan: PlanSpec): Rejection[] =>
  plan.tracks.flatMap((track, t) => {
    if (track.after === undefined) return [];
    const pointer = `/spec/tracks/${t}/after`;
    const { track: name, stage } = afterOf(track.after);
    const other = plan.tracks.find((candidate) => candidate.name === name);
    if (!other)
      return faults(
        'track-not-found',
        pointer,
        `Track ${track.name} waits for ${name}, which is not a track of this plan.`,
      );
    if (!other.stages.some(({ exposure }) => stageName(exposure) === stage)) {
      const names = other.stages.map(({ exposure }) => stageName(exposure)).join(', ');
      return faults(
        'stage-not-found',
        pointer,
        `Track ${track.name} waits for ${name}/${stage}; the stages of ${name} are ${names}.`,
      );
    }
    return waitsForItself(plan, track.name) && waitsForItself(plan, name)
      ? faults(
          'track-cycle',
          pointer,
          `Track ${track.name} waits for itself by way of ${name}: break the circle of "after" and "parity".`,
        )
      : [];
  });

/** What is wrong with a plan taken by itself; each fault names its field. */
export const planFaults = (plan: PlanSpec): readonly Rejection[] => {
  const twiceTrack = duplicate(plan.tracks.map(({ name }) => name));
  const twiceSignal = duplicate(plan.signals.map(({ signal }) => signal));
  const { convergence = 'all' } = plan;
  return [
    ...(convergence === 'all' || convergence.quorum > 5_000
      ? []
      : faults(
          'quorum-out-of-range',
          '/spec/convergence/quorum',
          'A quorum is more than half of the instances: write a share above 50%, such as 95%.',
        )),
    ...(twiceTrack === undefined
      ? []
      : faults('duplicate-track', '/spec/tracks', `Two tracks are called ${twiceTrack}: rename one.`)),
    ...(twiceSignal === undefined
      ? []
      : faults('duplicate-signal', '/spec/signals', `Signal ${twiceSignal} is listed twice: remove one.`)),
    ...(plan.signals.every(({ shadow }) => shadow)
      ? faults(
          'nothing-guards',
          '/spec/signals',
          'Every signal is a shadow: a plan needs at least one that may decide.',
        )
      : []),
    ...(plan.holdback === 0 && plan.holdbackReason === undefined
      ? faults(
          'holdback-reason-missing',
          '/spec/holdbackReason',
          'Without a holdback the watch is only observational: say why (holdbackReason).',
        )
      : []),
    ...(plan.holdback > 5_000
      ? faults('holdback-out-of-range', '/spec/holdback', 'The holdback may be 0% to 50%.')
      : []),
    ...stageFaults(plan),
    ...trackFaults(plan),
    ...parityFaults(plan),
  ];
};

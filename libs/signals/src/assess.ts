import { isStorable } from '#libs/contracts';
import type {
  BadOutcome,
  MeasuredValue,
  OutcomeBatch,
  OutcomeReceipt,
  OutcomeWindow,
  PairCount,
} from '#libs/contracts';
import { countedBySource, moreBadThanRequests, SENT_IN, unknownSignal, wrongKind } from './assess-faults.js';
import { addRequestCell, assessBad } from './assess-bad.js';
import { assessPairs, assessValue, type FieldFault } from './assess-values.js';
import type { ExposureLookup } from './exposure.js';
import type { Facts } from './facts.js';
import { noFacts } from './facts.js';
import { addInstanceCell } from './assess-instances.js';
import type { Fault } from './place-faults.js';
import type { InRollout } from './window-scope.js';
import { ANY_SIGNAL, EVERY_SIGNAL, unstorable, WindowScope } from './window-scope.js';

export type Rejected = OutcomeReceipt['rejected'][number];

/** What a batch is worth: the items refused, and what the others add. */
export type Assessment = {
  readonly facts: Facts;
  readonly rejected: readonly Rejected[];
  readonly acceptedWindows: number;
};

const MAX_AHEAD_MS = 60_000;

type ArmCount = OutcomeWindow['arms'][number];

/** Judges one batch item by item. Pure: asks only the lookup, writes nothing. */
export const assess = (batch: OutcomeBatch, reporter: string, now: number, lookup: ExposureLookup): Assessment => {
  const assessor = new Assessor(batch, reporter, now, lookup);
  return assessor.run();
};

const revisionsOfArms = ({ window }: WindowScope): readonly (readonly [config: string, revision: number])[] =>
  window.arms.map(({ config, revision }) => [config, revision]);

/** Whether a rollout that the request was part of is judged by its signal, whatever type that has by now. */
const isPinned = (scope: WindowScope, { signal, revisions }: BadOutcome): boolean =>
  scope
    .exposuresOf(Object.entries(revisions))
    .some(({ signals, invariants }) => signals.has(signal) || invariants.has(signal));

class Assessor {
  private readonly facts = noFacts();
  private readonly rejected: Rejected[] = [];
  private acceptedWindows = 0;

  constructor(
    private readonly batch: OutcomeBatch,
    private readonly reporter: string,
    private readonly now: number,
    private readonly lookup: ExposureLookup,
  ) {}

  run(): Assessment {
    const fault = this.batchFault();
    if (fault !== undefined) this.refuse(fault.pointer, fault);
    else for (const [index, window] of this.batch.windows.entries()) this.takeWindow(window, `/windows/${index}`);
    return { facts: this.facts, rejected: this.rejected, acceptedWindows: this.acceptedWindows };
  }

  private refuse(pointer: string, fault: Fault): void {
    this.rejected.push({ pointer, code: fault.code, detail: fault.detail });
  }

  private batchFault(): (Fault & { readonly pointer: string }) | undefined {
    const { target, instance } = this.batch;
    if (!this.lookup.knowsTarget(target))
      return {
        pointer: '/target',
        code: 'unknown-target',
        detail: `Target ${target} is not registered: apply its manifest first, then send the batch again under a new id.`,
      };
    return isStorable(instance) ? undefined : { pointer: '/instance', ...unstorable('instance') };
  }

  private takeWindow(window: OutcomeWindow, pointer: string): void {
    const fault = this.windowFault(window);
    if (fault !== undefined) return this.refuse(pointer + fault.pointer, fault);
    this.acceptedWindows += 1;
    const scope = new WindowScope(this.batch.target, window, this.now, this.lookup, this.batch.instance);
    this.addTraffic(scope);
    // Items first: of what was refused the window does not tell how often it was bad.
    for (const [index, bad] of window.bad.entries()) this.takeBad(scope, bad, `${pointer}/bad/${index}`);
    for (const [index, value] of window.values.entries())
      this.takeMeasured(scope, value.signal, `${pointer}/values/${index}`, () => this.valueFault(scope, value));
    for (const [index, pairs] of window.pairs.entries())
      this.takeMeasured(scope, pairs.signal, `${pointer}/pairs/${index}`, () => this.pairFault(scope, pairs));
    this.addMeasured(scope, pointer);
    for (const [index, arm] of window.arms.entries()) this.takeArm(scope, arm, `${pointer}/arms/${index}`);
    const { target, model, minute } = scope;
    for (const [signal, bad] of scope.bad) this.facts.trafficBad.push({ signal, target, model, minute, bad });
    for (const rollout of scope.rollouts) this.facts.rollouts.push(rollout);
  }

  private windowFault(window: OutcomeWindow): (Fault & { readonly pointer: string }) | undefined {
    const { target } = this.batch;
    if (!this.lookup.knowsModel(target, window.model))
      return {
        pointer: '/model',
        code: 'unknown-model',
        detail: `Target ${target} does not serve the model ${window.model}: add it to the target's manifest or correct the name.`,
      };
    if (Date.parse(window.from) + window.ms > this.now + MAX_AHEAD_MS)
      return {
        pointer: '/from',
        code: 'window-in-future',
        detail: `The window that starts at ${window.from} ends more than a minute from now: set the clock of ${this.batch.instance}.`,
      };
    return moreBadThanRequests(window) ?? this.generationFault(window);
  }

  private generationFault(window: OutcomeWindow): (Fault & { readonly pointer: string }) | undefined {
    const { target } = this.batch;
    const configs = new Set(window.arms.map((arm) => arm.config));
    for (const { revisions } of [...window.bad, ...window.values])
      for (const config of Object.keys(revisions)) configs.add(config);
    for (const { config } of window.pairs) configs.add(config);
    for (const config of configs) {
      if (this.lookup.find(target, config, window.generation) === 'unknown-generation')
        return {
          pointer: '/generation',
          code: 'unknown-generation',
          detail: `Target ${target} never had the generation ${window.generation}: report the version of the ruleset that was in use.`,
        };
    }
    return undefined;
  }

  private addTraffic(scope: WindowScope): void {
    const { target, model, minute, from, until } = scope;
    if (scope.window.requests === 0) return;
    this.facts.traffic.push({ target, model, minute, requests: scope.window.requests, firstAt: from, lastAt: until });
  }

  /** A listed signal that is not registered is refused by itself: nothing waits for it. */
  private addMeasured(scope: WindowScope, pointer: string): void {
    const { target, from, until, window, measured } = scope;
    for (const [index, signal] of (window.signals ?? []).entries()) {
      const isKnown = this.lookup.knowsSignal(signal) !== undefined;
      const fault = isKnown ? this.sourceFault(scope, signal, () => revisionsOfArms(scope)) : unknownSignal(signal);
      if (fault !== undefined) this.refuse(`${pointer}/signals/${index}`, fault);
    }
    // Values and pairs are measured where some were taken, whatever else the window tells.
    for (const signal of scope.sampled) this.facts.measured.push({ target, signal, from, until });
    if (window.requests === 0) return;
    const isWhole = measured === undefined && scope.refused.size === 0;
    this.facts.measured.push({ target, signal: isWhole ? EVERY_SIGNAL : ANY_SIGNAL, from, until });
    if (isWhole) return;
    for (const signal of measured ?? this.signalsOf(scope))
      if (scope.measures(signal) && this.isCounted(scope, signal))
        this.facts.measured.push({ target, signal, from, until });
  }

  /** What the rollouts are judged by that the window tells of. */
  private signalsOf(scope: WindowScope): ReadonlySet<string> {
    const exposures = scope.exposuresOf(revisionsOfArms(scope));
    return new Set(exposures.flatMap(({ signals, invariants }) => [...signals, ...invariants]));
  }

  /** What a source counts does not come as outcomes, but for a rollout that was started when it did. */
  private sourceFault(
    scope: WindowScope,
    signal: string,
    revisions: () => readonly (readonly [config: string, revision: number])[],
  ): Fault | undefined {
    const source = this.lookup.sourceOf(signal);
    if (source === undefined) return undefined;
    const isPinned = scope
      .exposuresOf(revisions())
      .some(
        ({ signals, invariants, values, paired }) =>
          signals.has(signal) || invariants.has(signal) || values.has(signal) || paired.has(signal),
      );
    return isPinned ? undefined : countedBySource(signal, source);
  }

  /** Whether a signal comes as bad outcomes: by its type now, or for a rollout that was started when it did. */
  private isCounted(scope: WindowScope, signal: string): boolean {
    const type = this.lookup.knowsSignal(signal);
    if (type === undefined) return false;
    const comesAsBad = SENT_IN[type] === 'bad' && this.lookup.sourceOf(signal) === undefined;
    return comesAsBad || this.signalsOf(scope).has(signal);
  }

  private takeArm(scope: WindowScope, count: ArmCount, pointer: string): void {
    if (!count.units.every(isStorable)) return this.refuse(`${pointer}/units`, unstorable('unit'));
    const place = scope.place(count.config, count.revision);
    if ('code' in place) return this.refuse(`${pointer}/${place.field}`, place);
    if (place.kind === 'background') return;
    if (place.kind === 'draining') this.addDraining(scope, count, place.rollout);
    else this.addArm(scope, { ...count, units: this.fittingUnits(scope, count, place, pointer) }, place);
  }

  /** Units that cannot have been on the arm are refused one by one: they prove no activation. */
  private fittingUnits(scope: WindowScope, count: ArmCount, place: InRollout, pointer: string): readonly string[] {
    if (place.arm === 'control') return [];
    return count.units.filter((unit, index) => {
      const fault = scope.coinFault(count.config, place, unit);
      if (fault !== undefined) this.refuse(`${pointer}/units/${index}`, fault);
      return fault === undefined;
    });
  }

  /** Seen after its rollout was taken back: proves that the drain is not over, and is no evidence. */
  private addDraining(scope: WindowScope, count: ArmCount, rollout: string): void {
    const { target, model, until } = scope;
    if (count.requests === 0) return;
    this.addLeftover(scope, count, rollout);
    const counts = { shareBp: 0, requests: count.requests, unassigned: 0, lastAt: until };
    this.facts.arms.push({ rollout, target, model, arm: 'candidate', ...counts });
  }

  /** Windows that began before the control was asked for hold requests that were right at their time. */
  private addLeftover({ target, from, until }: WindowScope, count: ArmCount, rollout: string): void {
    const since = this.lookup.leavingSince(rollout, target);
    if (since === undefined || from < since || count.requests === 0) return;
    this.facts.leftovers.push({ rollout, target, requests: count.requests, firstAt: from, lastAt: until });
    for (const unit of count.units) this.facts.leftoverUnits.push({ rollout, target, unit });
  }

  private addArm(
    scope: WindowScope,
    count: Omit<ArmCount, 'units'> & { readonly units: readonly string[] },
    { arm, exposure }: InRollout,
  ): void {
    const { target, model, until } = scope;
    const { rollout, shareBp } = exposure;
    const isByInstance = exposure.assignment === 'instance';
    const { requests } = count;
    // Whole instances were drawn: whether a request had a key makes no difference.
    const unassigned = isByInstance ? 0 : count.unassigned;
    if (arm === 'candidate') this.addLeftover(scope, { ...count, units: [...count.units] }, rollout);
    if (requests > 0 || unassigned > 0)
      this.facts.arms.push({ rollout, target, model, arm, shareBp, requests, unassigned, lastAt: until });
    if (shareBp === 0) return;
    const isServed = isByInstance && requests > 0;
    if (arm === 'candidate' && isServed)
      this.facts.units.push({ rollout, target, model, unit: scope.instance, shareBp });
    if (arm === 'candidate' && !isByInstance)
      for (const unit of count.units) this.facts.units.push({ rollout, target, model, unit, shareBp });
    if (requests === 0) return;
    for (const signal of [...exposure.signals, ...exposure.invariants])
      if (!scope.measures(signal))
        this.facts.unmeasured.push({ rollout, signal, target, model, arm, shareBp, requests });
      else if (exposure.assignment === 'request')
        addRequestCell(scope, exposure, { signal, arm, bad: 0, requests }, this.facts);
      else if (isByInstance)
        addInstanceCell(scope, exposure, signal, { kind: 'bad', count: requests, sum: 0 }, this.facts);
  }

  /** Items that are no bad outcomes: each is refused as a whole, or counted wherever it belongs. */
  private takeMeasured(scope: WindowScope, signal: string, pointer: string, take: () => FieldFault | undefined): void {
    const fault = this.lookup.knowsSignal(signal) === undefined ? unknownSignal(signal) : take();
    if (fault !== undefined) this.refuse(`${pointer}/${'field' in fault ? fault.field : 'signal'}`, fault);
  }

  private valueFault(scope: WindowScope, value: MeasuredValue): FieldFault | undefined {
    const binning = this.lookup.binningOf(value.signal);
    const revisions = Object.entries(value.revisions);
    const counted = this.sourceFault(scope, value.signal, () => revisions);
    if (counted !== undefined) return { field: 'signal', ...counted };
    const isPinned = scope.exposuresOf(revisions).some(({ values }) => values.has(value.signal));
    if (binning === undefined && !isPinned) return this.wrongKind(value.signal);
    return assessValue(scope, value, binning, this.facts);
  }

  private pairFault(scope: WindowScope, pairs: PairCount): FieldFault | undefined {
    const isPinned = scope.exposuresOf([[pairs.config, pairs.revision]]).some(({ paired }) => paired.has(pairs.signal));
    if (this.lookup.knowsSignal(pairs.signal) !== 'paired' && !isPinned) return this.wrongKind(pairs.signal);
    return assessPairs(scope, pairs, this.facts);
  }

  private wrongKind(signal: string): FieldFault {
    return { field: 'signal', ...wrongKind(signal, this.lookup.knowsSignal(signal) ?? 'rate') };
  }

  /** What is refused leaves its signal unmeasured in the window: the rest of it would look too good. */
  private takeBad(scope: WindowScope, bad: BadOutcome, pointer: string): void {
    const { signal } = bad;
    const type = this.lookup.knowsSignal(signal);
    if (type === undefined) return this.refuse(`${pointer}/signal`, unknownSignal(signal));
    // The rest of the window tells of it neither with this item nor without it.
    const counted = this.sourceFault(scope, signal, () => Object.entries(bad.revisions));
    if (counted !== undefined) return this.refuse(`${pointer}/signal`, counted);
    const told = { reporter: this.reporter, isInvariant: type === 'invariant' };
    const isOfKind = SENT_IN[type] === 'bad' || isPinned(scope, bad);
    const fault = isOfKind ? assessBad(scope, bad, told, this.facts) : this.wrongKind(signal);
    if (fault === undefined) return;
    scope.refused.add(signal);
    this.refuse(`${pointer}/${fault.field}`, fault);
  }
}

import { createHash } from 'node:crypto';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Manifest } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import {
  configDecider,
  configStream,
  planFaults,
  schemaFaults,
  targetDecider,
  targetStream,
  valueFaults,
  type ConfigCommand,
  type ConfigKind,
  type ConfigState,
} from '#libs/domain';
import { canonicalJson } from './canonical.js';
import { changesBetween, type Change } from './changes.js';
import type { CommandContext } from './context.js';
import { withinTime } from './time-box.js';
import { CommandRunner, type Outcome, type Session } from './runner.js';

export type ManifestResult = {
  readonly kind: string;
  readonly name: string;
  readonly action: 'created' | 'revised' | 'updated' | 'unchanged';
  readonly revision?: number;
  /** The newest earlier revision with the value of this new one. */
  readonly sameAs?: number;
  readonly baseline?: boolean;
  readonly changes: readonly Change[];
};

export class ApplyManifestsCommand extends Command<Outcome> {
  constructor(
    /** Each as read, and as checked with defaults filled in. */
    readonly manifests: readonly { readonly raw: JsonObject; readonly parsed: Manifest }[],
    readonly dryRun: boolean,
    readonly context: CommandContext,
  ) {
    super();
  }
}

const digestOf = (value: JsonObject): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

type Wanted = {
  readonly key: string;
  readonly kind: ConfigKind;
  readonly assignment: 'unit' | 'request' | 'instance' | null;
  readonly description: string | null;
  readonly schema: JsonObject | null;
  readonly value: JsonObject;
  /** What clients serve without a ruleset; null: the value, as far as is known. */
  readonly codeDefault: JsonObject | null;
  readonly links: readonly string[];
};

const KEPT_AS = { Signal: 'signal', Plan: 'plan', Source: 'source' } as const;

/** The stored form of a signal, plan or source is its manifest's spec as written: reading it again gives the same plan. */
const wantedOf = (raw: JsonObject, manifest: Exclude<Manifest, { kind: 'Target' }>): Wanted => {
  const name = manifest.metadata.name;
  if (manifest.kind === 'Config') {
    const { kind, assignment, description, schema, value, codeDefault, links } = manifest.spec;
    return {
      key: name,
      kind,
      assignment,
      description: description ?? null,
      schema: (schema ?? {}) as JsonObject,
      value: value as JsonObject,
      codeDefault: (codeDefault as JsonObject | undefined) ?? null,
      links,
    };
  }
  const kind = KEPT_AS[manifest.kind];
  return {
    key: `${kind}/${name}`,
    kind,
    assignment: null,
    description: null,
    schema: null,
    value: raw['spec'] as JsonObject,
    codeDefault: null,
    links: [],
  };
};

@CommandHandler(ApplyManifestsCommand)
export class ApplyManifestsHandler implements ICommandHandler<ApplyManifestsCommand> {
  constructor(private readonly runner: CommandRunner) {}

  async execute({ manifests, dryRun, context }: ApplyManifestsCommand): Promise<Outcome> {
    const results: ManifestResult[] = [];
    const attempt = async (session: Session): Promise<JsonObject> => {
      results.length = 0;
      for (const [index, { raw, parsed }] of manifests.entries()) {
        const { kind, metadata } = parsed;
        if (results.some((result) => result.kind === kind && result.name === metadata.name)) {
          const message = `${kind} ${metadata.name} is given twice in one apply: keep one of the two.`;
          session.reject('duplicate-manifest', message, `/manifests/${index}/metadata/name`);
          return {};
        }
        const result = await applyOne(session, raw, parsed, `/manifests/${index}`);
        if (session.rejection) return {};
        results.push(result);
      }
      if (dryRun) session.discard();
      return {
        results: results.map((result): JsonObject => ({
          ...result,
          changes: result.changes.map((change) => ({ ...change })),
        })),
      };
    };
    return this.runner.run('ApplyManifests', context, attempt);
  }
}

const applyOne = async (session: Session, raw: JsonObject, manifest: Manifest, at: string): Promise<ManifestResult> => {
  const name = manifest.metadata.name;
  if (manifest.kind !== 'Target') return applyConfig(session, wantedOf(raw, manifest), manifest, at);
  const { platform, labels, models, driver, settings: given } = manifest.spec;
  const settings = given as JsonObject;
  const { state } = await session.load(targetDecider, targetStream(name));
  const command = { type: 'RegisterTarget' as const, target: name, platform, labels, models, driver, settings };
  const events = decideAt(session, at, () => session.decide(targetDecider, targetStream(name), state, command));
  const before: JsonObject =
    state.status === 'unknown' ? {} : { labels: state.labels, models: state.models, settings: state.settings };
  const created = state.status === 'unknown';
  const action = created ? 'created' : events.length > 0 ? 'updated' : 'unchanged';
  const changeable = { labels, models, settings };
  const after: JsonObject = created ? { platform, driver, ...changeable } : changeable;
  return { kind: 'Target', name, action, changes: action === 'unchanged' ? [] : changesBetween(before, after) };
};

/** Rejections name the manifest as well as its field. */
const decideAt = <T>(session: Session, at: string, decide: () => T): T => {
  const had = session.rejection;
  const result = decide();
  const { rejection } = session;
  if (!had && rejection) session.rejection = { ...rejection, field: `${at}${rejection.field ?? ''}` };
  return result;
};

/** Nobody else is served by this process meanwhile; schemas that people write take milliseconds. */
const MOST_CHECK_MS = 1_000;

type Fault = { readonly code: string; readonly message: string; readonly field: string };

const misfitOf = (
  { key, schema }: Pick<Wanted, 'key' | 'schema'>,
  field: 'value' | 'codeDefault',
  value: JsonObject,
): Fault | undefined => {
  const [misfit] = valueFaults(schema ?? {}, value);
  if (!misfit) return undefined;
  const what = field === 'value' ? 'value' : 'code default';
  const where = misfit.pointer === '' ? 'its root' : misfit.pointer;
  const message = `The ${what} of config ${key} does not fit its schema at ${where}: ${misfit.detail}.`;
  return { code: 'value-does-not-fit-schema', message, field: `/spec/${field}${misfit.pointer}` };
};

/** Most bytes of a config's value, in canonical form: rulesets carry it to every reader. */
export const MOST_VALUE_BYTES = 1024 * 1024;

const sizeFaultOf = ({ key, value, codeDefault }: Wanted): Fault | undefined => {
  const given = [
    ['value', value],
    ['codeDefault', codeDefault],
  ] as const;
  for (const [field, each] of given) {
    const bytes = each === null ? 0 : Buffer.byteLength(canonicalJson(each));
    if (bytes <= MOST_VALUE_BYTES) continue;
    const message = `The ${field === 'value' ? 'value' : 'code default'} of config ${key} has ${bytes} bytes, and at most ${MOST_VALUE_BYTES} are taken (spec.${field}): make it smaller, or keep the bulk elsewhere and only name it here.`;
    return { code: 'value-too-large', message, field: `/spec/${field}` };
  }
  return undefined;
};

const faultOf = (wanted: Wanted, manifest: Manifest): Fault | undefined => {
  if (manifest.kind === 'Plan') {
    const [fault] = planFaults(manifest.spec);
    return fault && { ...fault, field: fault.field ?? '' };
  }
  const tooLarge = manifest.kind === 'Config' ? sizeFaultOf(wanted) : undefined;
  if (tooLarge) return tooLarge;
  return wanted.schema === null ? undefined : schemaFaultOf(wanted, wanted.schema);
};

const schemaFaultOf = (wanted: Wanted, schema: JsonObject): Fault | undefined => {
  if (schema['$async'] === true) {
    // Such a schema answers later, and its refusal would come when nobody waits for it.
    const message = `The schema of config ${wanted.key} is asynchronous: leave "$async" out.`;
    return { code: 'schema-invalid', message, field: '/spec/schema' };
  }
  if (Object.keys(schema).length === 0) return undefined;
  const checked = withinTime(MOST_CHECK_MS, () => fitFaultOf(wanted, schema));
  if (checked !== 'late') return checked.done;
  const message = `Checking config ${wanted.key} against its schema takes too long (more than ${MOST_CHECK_MS / 1_000} s): look for a schema that refers to itself, references that multiply, or uniqueItems on a long list, and write it simpler.`;
  return { code: 'schema-too-slow', message, field: '/spec/schema' };
};

const fitFaultOf = (wanted: Wanted, schema: JsonObject): Fault | undefined => {
  const [bad] = schemaFaults(schema);
  if (bad) {
    const what = bad.pointer === '' ? `is no JSON Schema: ${bad.detail}` : `${bad.detail} (at ${bad.pointer})`;
    const message = `The schema of config ${wanted.key} ${what}.`;
    return { code: 'schema-invalid', message, field: `/spec/schema${bad.pointer}` };
  }
  const { value, codeDefault } = wanted;
  return misfitOf(wanted, 'value', value) ?? (codeDefault ? misfitOf(wanted, 'codeDefault', codeDefault) : undefined);
};

const applyConfig = async (
  session: Session,
  given: Wanted,
  manifest: Manifest,
  at: string,
): Promise<ManifestResult> => {
  const stream = configStream(given.key);
  const { state } = await session.load(configDecider, stream);
  const wanted = manifest.kind === 'Config' ? withWhatIsKnown(given, manifest, state) : given;
  const fault = faultOf(wanted, manifest);
  if (fault) session.reject(fault.code, fault.message, `${at}${fault.field}`);
  if (manifest.kind === 'Config' && manifest.spec.reason !== undefined) session.explain(stream, manifest.spec.reason);
  const { key, kind, assignment, description, schema, value, codeDefault, links } = wanted;
  const created = state.status === 'unknown';
  const commands: ConfigCommand[] = [{ type: 'RegisterConfig', key, kind, assignment, description, schema }];
  if (!created && schema !== null) commands.push({ type: 'ChangeSchema', schema, description });
  // Where clients serve something else today, that is the baseline; an equal value adds no second revision.
  if (created && codeDefault) {
    commands.push({ type: 'ProposeRevision', digest: digestOf(codeDefault), value: codeDefault, links: [] });
  }
  commands.push({ type: 'ProposeRevision', digest: digestOf(value), value, links });
  const { after, types } = decideAt(session, at, () => decideAll(session, stream, state, commands));
  const revised = types.includes('RevisionProposed');
  const newest = after.status === 'unknown' ? 0 : after.revisions.length;
  const before = state.status !== 'unknown' ? state.revisions.at(-1)?.value : newest > 1 ? codeDefault : undefined;
  const action = created ? 'created' : revised ? 'revised' : types.length > 0 ? 'updated' : 'unchanged';
  const sameAs = action === 'revised' ? earlierRevision(state, digestOf(value)) : undefined;
  return {
    kind: manifest.kind,
    name: manifest.metadata.name,
    action,
    revision: newest,
    ...(sameAs === undefined ? {} : { sameAs }),
    baseline: created && newest === 1,
    changes: [...(revised ? changesBetween(before ?? {}, value) : []), ...schemaChanges(state, schema)],
  };
};

/** What the manifest does not say stays as it is: whoever sends only a value does not mean to remove the schema. */
const withWhatIsKnown = (given: Wanted, { spec }: Extract<Manifest, { kind: 'Config' }>, state: ConfigState): Wanted =>
  state.status === 'unknown'
    ? given
    : {
        ...given,
        schema: spec.schema === undefined ? state.schema : given.schema,
        description: spec.description === undefined ? state.description : given.description,
      };

const schemaChanges = (state: ConfigState, schema: JsonObject | null): ReturnType<typeof changesBetween> =>
  state.status === 'unknown' || schema === null
    ? []
    : changesBetween({ spec: { schema: state.schema ?? {} } }, { spec: { schema } });

/** The newest of the known revisions with this value. */
const earlierRevision = (state: ConfigState, digest: string): number | undefined =>
  state.status === 'unknown' ? undefined : state.revisions.findLast((known) => known.digest === digest)?.revision;

/** Several commands on one stream, each decided on what the one before left. */
const decideAll = (
  session: Session,
  stream: string,
  state: ConfigState,
  commands: readonly ConfigCommand[],
): { readonly after: ConfigState; readonly types: readonly string[] } => {
  let after = state;
  const types: string[] = [];
  for (const command of commands) {
    for (const event of session.decide(configDecider, stream, after, command)) {
      after = configDecider.evolve(after, event);
      types.push(event.type);
    }
    if (session.rejection) break;
  }
  return { after, types };
};

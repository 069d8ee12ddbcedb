import { describe, expect, it } from 'vitest';
import { specification, stateAfter, type History } from '#libs/testing';
import type { ConfigEvent } from '../events/index.js';
import {
  alphaOfStart,
  configDecider,
  isServed,
  lastKnownGood,
  liveRevision,
  schemaFaults,
  valueFaults,
  vetoesOf,
  type ConfigCommand,
} from './index.js';

const { given } = specification(configDecider);
const KEY = 'router.context';
const SCHEMA = { type: 'object', properties: { pool: { type: 'string' }, limit: { type: 'integer' } } } as const;

const registered: ConfigEvent = {
  type: 'ConfigRegistered',
  data: { key: KEY, kind: 'quality', assignment: 'unit', description: null, schema: SCHEMA },
};
const revision = (number: number, value = number): ConfigEvent => ({
  type: 'RevisionProposed',
  data: {
    key: KEY,
    revision: number,
    digest: `d${value}`,
    value: { pool: `p${value}` },
    links: [],
    baseline: number === 1,
  },
});
const claimed = (rollout: string, candidate: number, ...targets: string[]): ConfigEvent => ({
  type: 'TargetsClaimed',
  data: { key: KEY, rollout, revision: candidate, targets },
});
const released = (
  rollout: string,
  candidate: number,
  outcome: 'settled' | 'rolled-back' | 'superseded',
  ...targets: string[]
): ConfigEvent => ({
  type: 'TargetsReleased',
  data: { key: KEY, rollout, revision: candidate, targets, outcome, live: {} },
});
/** A rollout that takes the targets over from ro-1, whose revision 2 was watched. */
const handedOver = (live: Readonly<Record<string, number>>): readonly ConfigEvent[] => [
  claimed('ro-1', 2, ...Object.keys(live)),
  {
    type: 'TargetsReleased',
    data: { key: KEY, rollout: 'ro-1', revision: 2, targets: Object.keys(live), outcome: 'superseded', live },
  },
];
const retired: ConfigEvent = { type: 'ConfigRetired', data: { key: KEY } };
const known = [registered, revision(1), revision(2), revision(3)];

const register = (change: Partial<Extract<ConfigCommand, { type: 'RegisterConfig' }>> = {}): ConfigCommand => ({
  type: 'RegisterConfig',
  key: KEY,
  kind: 'quality',
  assignment: 'unit',
  description: null,
  schema: SCHEMA,
  ...change,
});
const propose = (digest: string): ConfigCommand => ({
  type: 'ProposeRevision',
  digest,
  value: { pool: 'new' },
  links: [],
});
const claim = (
  rollout: string,
  candidate: number,
  targets: string[],
  vetoReason: string | null = null,
): ConfigCommand => ({
  type: 'ClaimTargets',
  rollout,
  revision: candidate,
  targets,
  vetoReason,
});
const release = (
  rollout: string,
  outcome: 'settled' | 'rolled-back' | 'superseded',
  ...targets: string[]
): Extract<ConfigCommand, { type: 'ReleaseTargets' }> => ({
  type: 'ReleaseTargets',
  rollout,
  revision: 2,
  targets,
  outcome,
});

describe('register a config', () => {
  it('keeps its kind, how it is assigned, and its schema', () => {
    given()
      .when(register())
      .then({ type: 'ConfigRegistered', data: { key: KEY, kind: 'quality', assignment: 'unit', schema: SCHEMA } });
  });

  it('twice is the same as once', () => {
    given(registered).when(register()).thenNothing();
  });

  it('is refused where kind or assignment differ, because neither can change', () => {
    given(registered)
      .when(register({ kind: 'switch' }))
      .thenRejected('config-exists', KEY, '/spec/kind');
    given(registered)
      .when(register({ assignment: 'request' }))
      .thenRejected('config-exists', '/spec/assignment');
  });
});

describe('propose a revision', () => {
  it('imports the first one as the baseline that runs today', () => {
    given(registered)
      .when(propose('d1'))
      .then({ type: 'RevisionProposed', data: { revision: 1, baseline: true, digest: 'd1' } });
  });

  it('numbers those after it, which are live nowhere', () => {
    given(registered, revision(1))
      .when(propose('d2'))
      .then({ type: 'RevisionProposed', data: { revision: 2, baseline: false } });
  });

  it('adds nothing when the newest revision has the same value', () => {
    given(known).when(propose('d3')).thenNothing();
  });

  it('takes an older value up again as a new revision', () => {
    given(known)
      .when(propose('d1'))
      .then({ type: 'RevisionProposed', data: { revision: 4 } });
  });

  it('is refused for a config that nobody registered', () => {
    given().when(propose('d1')).thenRejected('config-not-found', 'Apply its manifest first');
  });
});

describe('change a schema', () => {
  it('is recorded when schema or description differ', () => {
    const schema = { type: 'object' } as const;
    given(registered)
      .when({ type: 'ChangeSchema', schema, description: null })
      .then({ type: 'SchemaChanged', data: { schema } });
    given(registered)
      .when({ type: 'ChangeSchema', schema: SCHEMA, description: 'routes' })
      .then({ type: 'SchemaChanged', data: { description: 'routes' } });
  });

  it('is nothing when only the order of keys differs', () => {
    const schema = { properties: { limit: { type: 'integer' }, pool: { type: 'string' } }, type: 'object' };
    given(registered).when({ type: 'ChangeSchema', schema, description: null }).thenNothing();
  });

  it('tells lists apart by their order, and absent from empty', () => {
    const first: ConfigEvent = {
      type: 'SchemaChanged',
      data: { key: KEY, schema: { enum: [1, 2] }, description: null },
    };
    const change = (schema: Extract<ConfigCommand, { type: 'ChangeSchema' }>['schema']) =>
      given(registered, first).when({ type: 'ChangeSchema', schema, description: null }).types();
    expect(change({ enum: [1, 2] })).toEqual([]);
    expect(change({ enum: [2, 1] })).toEqual(['SchemaChanged']);
    expect(change({ enum: [1, 2, 3] })).toEqual(['SchemaChanged']);
    expect(change({})).toEqual(['SchemaChanged']);
  });
});

describe('claim targets for a rollout', () => {
  it('holds them, so that one rollout of a config runs per target at a time', () => {
    given(known)
      .when(claim('ro-1', 2, ['api-us', 'api-eu']))
      .then({ type: 'TargetsClaimed', data: { rollout: 'ro-1', revision: 2, targets: ['api-us', 'api-eu'] } });
    given(known, claimed('ro-1', 2, 'api-us'))
      .when(claim('ro-2', 3, ['api-us', 'api-eu']))
      .thenRejected('rollout-already-running', 'api-us', 'ro-1', 'abort it or wait');
  });

  it('lets rollouts of the same config run on other targets', () => {
    expect(
      given(known, claimed('ro-1', 2, 'api-us'))
        .when(claim('ro-2', 3, ['api-eu']))
        .types(),
    ).toEqual(['TargetsClaimed']);
  });

  it('twice by the same rollout is the same as once', () => {
    given(known, claimed('ro-1', 2, 'api-us'))
      .when(claim('ro-1', 2, ['api-us']))
      .thenNothing();
  });

  it('is refused for a revision that does not exist', () => {
    given(known)
      .when(claim('ro-1', 9, ['api-us']))
      .thenRejected('revision-not-found', 'its newest is 3', '/revision');
  });

  it('is refused where the revision is live already', () => {
    given(known)
      .when(claim('ro-1', 1, ['api-us']))
      .thenRejected('revision-already-live', 'api-us');
    given(known, claimed('ro-1', 2, 'api-us'), released('ro-1', 2, 'settled', 'api-us'))
      .when(claim('ro-2', 2, ['api-us', 'api-eu']))
      .thenRejected('revision-already-live', 'api-us');
  });

  it('is refused for a retired config', () => {
    given(known, retired)
      .when(claim('ro-1', 2, ['api-us']))
      .thenRejected('config-retired', KEY);
  });

  it('of a revision that was rolled back needs a reason', () => {
    const vetoed = [known, claimed('ro-1', 2, 'api-us'), released('ro-1', 2, 'rolled-back', 'api-us')];
    given(vetoed)
      .when(claim('ro-2', 2, ['api-us']))
      .thenRejected('revision-vetoed', 'vetoReason', '/vetoReason');
    expect(
      given(vetoed)
        .when(claim('ro-2', 2, ['api-us'], 'the compiler is fixed'))
        .types(),
    ).toEqual(['TargetsClaimed']);
    expect(
      given(vetoed)
        .when(claim('ro-2', 3, ['api-us']))
        .types(),
    ).toEqual(['TargetsClaimed']);
  });

  it('rule 8: of a value that was rolled back under another number needs one as well, and is judged as a restart', () => {
    const vetoed = [known, revision(4, 2), claimed('ro-1', 2, 'api-us'), released('ro-1', 2, 'rolled-back', 'api-us')];
    given(vetoed)
      .when(claim('ro-2', 4, ['api-us']))
      .thenRejected('revision-vetoed', 'r4 has the value of r2, which was rolled back before', '/vetoReason');
    const state = stateAfter(configDecider, vetoed);
    if (state.status === 'unknown') throw new Error('The config is not known.');
    expect([1, 2, 3, 4].map((revision) => vetoesOf(state, revision))).toEqual([0, 1, 0, 1]);
  });
});

describe('release targets', () => {
  const held = [known, claimed('ro-1', 2, 'api-us', 'api-eu')];

  it('lets another rollout start there', () => {
    const { history } = given(held)
      .when(release('ro-1', 'rolled-back', 'api-us', 'api-eu'))
      .then({ type: 'TargetsReleased' });
    expect(
      given(history)
        .when(claim('ro-2', 3, ['api-us']))
        .types(),
    ).toEqual(['TargetsClaimed']);
  });

  it('concerns only what the rollout holds', () => {
    given(held)
      .when(release('ro-2', 'rolled-back', 'api-us'))
      .thenNothing();
    given(held)
      .when(release('ro-1', 'settled', 'api-us', 'mars'))
      .then({ type: 'TargetsReleased', data: { targets: ['api-us'] } });
  });

  it('twice is the same as once', () => {
    given(held, released('ro-1', 2, 'settled', 'api-us', 'api-eu'))
      .when(release('ro-1', 'settled', 'api-us', 'api-eu'))
      .thenNothing();
  });

  it('counts each rollback of a revision', () => {
    const state = stateAfter(
      configDecider,
      held,
      released('ro-1', 2, 'rolled-back', 'api-us'),
      claimed('ro-2', 2, 'api-us'),
      released('ro-2', 2, 'rolled-back', 'api-us'),
    );
    expect(state).toMatchObject({ vetoes: { 2: 2 } });
  });
});

describe('last known good', () => {
  const lkg = (...history: History<ConfigEvent>[]): number => {
    const state = stateAfter(configDecider, ...history);
    return state.status === 'unknown' ? 0 : lastKnownGood(state, 'api-us');
  };

  it('is the baseline on every target before anything settled there', () => {
    expect(lkg(known)).toBe(1);
  });

  it('rule 7: moves when a rollout settles, and never otherwise', () => {
    const running = [known, claimed('ro-1', 2, 'api-us')];
    expect(lkg(running)).toBe(1);
    expect(lkg(running, released('ro-1', 2, 'rolled-back', 'api-us'))).toBe(1);
    expect(lkg(running, released('ro-1', 2, 'superseded', 'api-us'))).toBe(1);
    expect(lkg(running, released('ro-1', 2, 'settled', 'api-us'))).toBe(2);
  });

  it('rule 7: moves only on the targets that settled, and keeps the generations before', () => {
    const state = stateAfter(
      configDecider,
      known,
      claimed('ro-1', 2, 'api-eu'),
      released('ro-1', 2, 'settled', 'api-eu'),
    );
    expect(state).toMatchObject({ settled: { 'api-eu': [1, 2] } });
    expect(state.status !== 'unknown' && lastKnownGood(state, 'api-us')).toBe(1);
  });
});

describe('what is live on a target that no rollout holds', () => {
  const live = (target: string, ...history: History<ConfigEvent>[]): number => {
    const state = stateAfter(configDecider, known, ...history);
    return state.status === 'unknown' ? 0 : liveRevision(state, target);
  };
  const watched = handedOver({ 'api-us': 2 });

  it('is last known good, unless a rollout left another revision there', () => {
    expect(live('api-us')).toBe(1);
    expect(live('api-us', watched)).toBe(2);
    expect(live('api-eu', watched)).toBe(1);
  });

  it('is the watched revision when the rollout that took over from it is rolled back; last known good stays', () => {
    const back: ConfigEvent = {
      type: 'TargetsReleased',
      data: {
        key: KEY,
        rollout: 'ro-2',
        revision: 3,
        targets: ['api-us'],
        outcome: 'rolled-back',
        live: { 'api-us': 2 },
      },
    };
    const history = [watched, claimed('ro-2', 3, 'api-us'), back];
    expect(live('api-us', history)).toBe(2);
    const state = stateAfter(configDecider, known, ...history);
    expect(state.status !== 'unknown' && lastKnownGood(state, 'api-us')).toBe(1);
    expect(state).toMatchObject({ vetoes: { 3: 1 } });
    expect(state).not.toHaveProperty('vetoes.2');
  });

  it('can not be rolled out again where it is, while the revision before it may', () => {
    given(known, watched)
      .when(claim('ro-3', 2, ['api-us']))
      .thenRejected('revision-already-live', 'api-us');
    given(known, watched)
      .when(claim('ro-3', 1, ['api-us']))
      .then({ type: 'TargetsClaimed', data: { revision: 1 } });
  });

  it('is recorded for targets that the rollout holds, and for no others', () => {
    given(known, claimed('ro-1', 2, 'api-us'))
      .when({ ...release('ro-1', 'superseded', 'api-us', 'mars'), live: { 'api-us': 2, mars: 2 } })
      .then({ type: 'TargetsReleased', data: { targets: ['api-us'], live: { 'api-us': 2 } } });
  });
});

describe('the error bound of a start', () => {
  it('rule 8: all starts of one revision together stay below alpha', () => {
    const starts = Array.from({ length: 40 }, (_, rollbacks) => alphaOfStart(0.001, rollbacks));
    expect(starts[0]).toBeCloseTo(0.00095, 10);
    expect(starts.reduce((sum, alpha) => sum + alpha, 0)).toBeLessThanOrEqual(0.001 * (1 + 1e-9));
  });

  it('rule 8: leaves less to each restart after a rollback', () => {
    expect(alphaOfStart(0.001, 1)).toBeGreaterThan(alphaOfStart(0.001, 2));
    expect(alphaOfStart(0.001, 30)).toBeGreaterThan(0);
  });
});

describe('kinds of configs', () => {
  it('signals and plans are for Headgate itself and reach no fleet', () => {
    expect(['quality', 'weights', 'switch', 'signal', 'plan'].filter((kind) => isServed(kind as 'quality'))).toEqual([
      'quality',
      'weights',
      'switch',
    ]);
  });
});

describe('schemas and values', () => {
  it('a value that does not fit says where', () => {
    expect(valueFaults(SCHEMA, { pool: 'standard' })).toEqual([]);
    expect(valueFaults(SCHEMA, { pool: 7 })).toEqual([{ pointer: '/pool', detail: 'must be string' }]);
  });

  it('a field that the schema does not allow is named', () => {
    const strict = { ...SCHEMA, additionalProperties: false };
    expect(valueFaults(strict, { pol: 'x' }).map(({ pointer }) => pointer)).toEqual(['/pol']);
  });

  it('a schema that is none is refused', () => {
    expect(schemaFaults(SCHEMA)).toEqual([]);
    expect(schemaFaults({ type: 'objekt' })).not.toEqual([]);
  });

  it('a pattern that would keep a backtracking engine busy for years is answered at once', () => {
    const schema = {
      properties: { pool: { pattern: '^(a+)+$' }, other: { pattern: '^b$' } },
      patternProperties: { '^(x*)*y$': { type: 'string' } },
    };
    const value = { pool: `${'a'.repeat(50_000)}!`, other: 'b', [`${'x'.repeat(5_000)}y`]: 1 };
    expect(schemaFaults(schema)).toEqual([]);
    expect(valueFaults(schema, value).map(({ detail }) => detail)).toEqual([
      'must match pattern "^(a+)+$"',
      'must be string',
    ]);
    expect(valueFaults(schema, { pool: 'aa', other: 'a' }).map(({ pointer }) => pointer)).toEqual(['/other']);
  });

  it.each([
    ['looks ahead', '^(?=.*[0-9]).*$'],
    ['refers back', '(a)\\1'],
    ['repeats too often', '^a{1,5000}$'],
    ['is too long', 'a'.repeat(1_001)],
  ])('a pattern that %s is refused by its place in the schema', (_, pattern) => {
    const schema = { $defs: { id: { items: [{ pattern }] } }, patternProperties: { [pattern]: {} } };
    const [first, second] = schemaFaults(schema);
    expect(first?.pointer).toBe('/$defs/id/items/0/pattern');
    expect(second?.pointer).toMatch(/^\/patternProperties\//);
  });

  it('a field that is named pattern, or text that is data, is no pattern', () => {
    const properties = { pattern: { type: 'object', default: { pattern: '(?=x)' } }, mode: { enum: ['(?=x)'] } };
    expect(schemaFaults({ properties })).toEqual([]);
    expect(valueFaults({ properties }, { pattern: {}, mode: '(?=x)' })).toEqual([]);
  });
});

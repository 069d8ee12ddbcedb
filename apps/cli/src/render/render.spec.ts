import { describe, expect, it } from 'vitest';
import { compareMoments, compareTwoTargets } from '#libs/contracts';
import { paintFor, wantsColour } from '../look.js';
import type { Look } from '../look.js';
import type { EvidenceView } from '#libs/contracts';
import {
  at,
  event,
  failVerdict,
  openParity,
  OTHER_ID,
  preview,
  rollout,
  ROLLOUT_ID,
  rolledBack,
} from '../testing/fixtures.js';
import { renderAt, renderDifferences, showLive } from './at.js';
import { renderApply, summariseApply } from './changes.js';
import { renderEventLine, renderHistory } from './events.js';
import { renderEvidence, renderRecomputed } from './evidence.js';
import { renderPlan } from './plan.js';
import { idLength, renderRollout, renderRollouts } from './rollouts.js';
import { renderTokens } from './tokens.js';

const look: Look = {
  paint: paintFor({ env: {}, isTty: false, refused: true }),
  width: 200,
  zone: 'UTC',
  now: Date.parse('2025-08-29T12:15:00.000Z'),
};
const coloured: Look = { ...look, paint: paintFor({ env: { FORCE_COLOR: '1' }, isTty: false, refused: false }) };
const lineWith = (text: string, part: string) => text.split('\n').find((line) => line.includes(part));

describe('colours', () => {
  it.each([
    ['a terminal has colours', {}, true, false, true],
    ['a pipe has none', {}, false, false, false],
    ['NO_COLOR takes them away', { NO_COLOR: '1' }, true, false, false],
    ['FORCE_COLOR gives them to a pipe', { FORCE_COLOR: '1' }, false, false, true],
    ['FORCE_COLOR=0 takes them away', { FORCE_COLOR: '0' }, true, false, false],
    ['NO_COLOR wins over FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false, false],
    ['TERM=dumb has none', { TERM: 'dumb' }, true, false, false],
    ['--no-color wins over all', { FORCE_COLOR: '1' }, true, true, false],
  ])('%s', (_, env, isTty, refused, wanted) => {
    expect(wantsColour({ env, isTty, refused })).toBe(wanted);
  });
});

describe('one rollout in full', () => {
  it('shows each stage of each track with its exposure, state, and bake so far', () => {
    const text = renderRollout(rollout(), look);
    expect(text).toContain('router.context r2 by plan cautious: staging');
    expect(text).toContain('started  2025-08-29 12:00:00 (15 min ago) by alice');
    expect(lineWith(text, '2025-08-29 12:05:00')).toMatch(
      /^\s+5%\s+5%\s+in-stage\s+2025-08-29 12:05:00\s+20 s of 30 s$/,
    );
    expect(lineWith(text, 'bedrock  ')).toMatch(/^bedrock\s+1%\s+1%\s+waiting\s+-\s+- of 30 s$/);
  });

  it('shows for each target what is desired, and whether it was delivered and has converged', () => {
    const text = renderRollout(rollout(), look);
    expect(lineWith(text, 'TARGET')).toMatch(/TARGET\s+CONTROL\s+DESIRED\s+GENERATION\s+DELIVERED\s+CONVERGED/);
    expect(lineWith(text, 'api-tpu')).toMatch(/^api-tpu\s+r1\s+5%\s+42\s+yes\s+no\s+-\s+-$/);
  });

  it('shows the evidence of each verdict as its sentence, what it waits for, and who holds it until when', () => {
    const held = { by: 'policy', reason: 'no outcomes from api-tpu', until: '2025-08-29T12:20:00.000Z' } as const;
    const text = renderRollout(rollout({ verdicts: [failVerdict()], held }), look);
    expect(lineWith(text, '41 of 9,120')).toMatch(
      /^fail\s+script-errors\s+api\/5%\s+script errors on api-tpu: 41 of 9,120/,
    );
    expect(text).toContain('- api/5%: 1,204 more units');
    expect(text).toContain('held     by a policy until 2025-08-29 12:20:00: no outcomes from api-tpu');
    expect(text).toContain('staging, held');
  });

  it('shows how the parity stands that a track waits for, and nothing of it where none does', () => {
    const text = renderRollout(rollout({ parity: [openParity()] }), look);
    expect(lineWith(text, 'WAITS FOR PARITY OF')).toMatch(/^VERDICT\s+TRACK\s+WAITS FOR PARITY OF\s+EVIDENCE$/);
    expect(lineWith(text, '120 pairs')).toMatch(
      /^inconclusive\s+vertex\s+api and bedrock\s+parity of api and bedrock on golden answers: 120 pairs, difference/,
    );
    expect(renderRollout(rollout(), look)).not.toContain('PARITY');
  });

  it('says why it is held once, in its own line, and below only what else it waits for', () => {
    const held = { by: 'policy', reason: 'no evidence arrives', until: null } as const;
    const waitingFor = [
      'api/5% held: no evidence arrives',
      'held: no evidence arrives',
      'api/5% bake: 20.0 s of 30.0 s',
    ];
    const text = renderRollout(rollout({ held, waitingFor }), look);
    expect(text.match(/no evidence arrives/g)).toHaveLength(1);
    expect(text).toContain('- api/5% bake: 20.0 s of 30.0 s');
    expect(renderRollout(rollout({ held, waitingFor: waitingFor.slice(0, 2) }), look)).not.toContain('Waiting for');
  });

  it('of a stage that a person sent on says just that, whatever it lacked', () => {
    const [api, bedrock] = rollout().tracks;
    const stages = api!.stages.map((stage, index) => ({ ...stage, skipped: index === 0 }));
    const text = renderRollout(rollout({ tracks: [{ ...api!, stages }, bedrock!] }), look);
    expect(lineWith(text, '2025-08-29 12:00:01')).toMatch(/passed \(promoted\)/);
    expect(text).not.toContain('skipped');
  });

  it('shows the bound of its errors as a share', () => {
    const text = renderRollout(rollout({ alpha: 0.00095 }), look);
    expect(text).toContain('alpha    0.095%: the highest chance that a harmless rollout is rolled back');
  });

  it('after a rollback says of each target how it ended', () => {
    expect(lineWith(renderRollout(rolledBack(), look), 'api-tpu  ')).toContain('drained');
  });

  it('after a rollback no stage is called current, and a target that was never exposed has nothing to take back', () => {
    const untouched = { ...rolledBack().targets[0]!, generation: 0, readBack: false, ended: null };
    const text = renderRollout(rolledBack({ targets: [{ ...untouched, target: 'vertex-eu' }] }), look);
    expect(lineWith(text, 'vertex-eu')).toContain('never exposed');
    expect(lineWith(text, '2025-08-29 12:05:00')).toMatch(/^\s+5%\s+5%\s+taken back/);
    expect(lineWith(text, 'bedrock')).toMatch(/^bedrock\s+1%\s+1%\s+not reached/);
    expect(text).not.toMatch(/in-stage|not yet|not-reached/);
  });

  it.each([
    ['in-stage', '5%', 'api taken back at 5%'],
    ['passed', null, 'api taken back'],
    ['taken-back', '5%', 'api taken back at 5%'],
    ['waiting', null, 'api not reached'],
    ['not-reached', null, 'api not reached'],
  ] as const)('after a rollback the list says of a track that is %s in stage %s: %s', (status, stage, words) => {
    const [api] = rollout().tracks;
    const listed = lineWith(
      renderRollouts([rolledBack({ tracks: [{ ...api!, status, stage }] })], look),
      'rolled-back',
    );
    expect(listed).toMatch(new RegExp(`${words}  `));
  });

  it('a stage that was taken back bakes no longer', () => {
    const [api] = rollout().tracks;
    const stages = api!.stages.map((stage) => ({ ...stage, bakedMs: 999_000 }));
    const text = renderRollout(rollout({ tracks: [{ ...api!, stages, status: 'taken-back' }] }), look);
    expect(lineWith(text, '2025-08-29 12:05:00')).toMatch(/taken back .*- of /);
  });

  it('says what it reverts and why it goes without stages, and nothing of either for an ordinary one', () => {
    const text = renderRollout(rollout({ reverts: 3, bypass: 'pages are down' }), look);
    expect(text).toContain('reverts  r3');
    expect(text).toContain('bypass   without stages: pages are down');
    expect(renderRollout(rollout(), look)).not.toMatch(/reverts|bypass/);
  });

  it('in a narrow terminal the last column wraps instead of running over', () => {
    const text = renderRollout(rollout({ verdicts: [failVerdict()] }), { ...look, width: 80 });
    const verdicts = text.slice(text.indexOf('VERDICT'));
    expect(Math.max(...verdicts.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(verdicts.replace(/\s+/g, ' ')).toContain('at least 18 times');
  });

  it('colours are added around words and take no room in the columns', () => {
    // oxlint-disable-next-line no-control-regex -- colours are escape sequences
    expect(renderRollout(rollout(), coloured).replace(/\u001b\[\d+m/g, '')).toBe(renderRollout(rollout(), look));
  });

  it('what others wrote cannot send escape sequences to the terminal', () => {
    expect(renderRollout(rollout({ reason: 'x\u001b]0;owned\u0007' }), look)).not.toContain('\u001b');
  });
});

describe('a list of rollouts', () => {
  it('ids are cut to where they still differ', () => {
    expect(idLength([ROLLOUT_ID, OTHER_ID])).toBe(10);
    expect(idLength([])).toBe(8);
    const text = renderRollouts([rollout(), rollout({ id: OTHER_ID, config: 'sampling.top-k' })], look);
    expect(lineWith(text, 'sampling.top-k')).toMatch(/^01990a3c-9\s/);
    expect(lineWith(text, 'router.context')).toContain('api 5%, bedrock waiting');
  });
});

describe('a terminal of 80 columns', () => {
  const narrow: Look = { ...look, width: 80 };
  const token = {
    id: ROLLOUT_ID,
    subject: 'continuous-integration',
    role: 'operator' as const,
    last4: 'a1b2',
    createdAt: '2025-08-01T00:00:00Z',
    expiresAt: '2026-08-01T00:00:00Z',
    revokedAt: null,
  };
  const long = event(1_042, { type: 'DegradationDetected', summary: failVerdict().sentence });
  it.each([
    ['the list of rollouts', renderRollouts([rollout(), rollout({ id: OTHER_ID, config: 'sampling.top-k' })], narrow)],
    ['a rollout', renderRollout(rollout({ cause: failVerdict().sentence }), narrow)],
    ['a rollout that was taken back', renderRollout(rolledBack(), narrow)],
    ['a plan', renderPlan(preview(), narrow)],
    ['the history', renderHistory([long], narrow)],
    ['the tokens', renderTokens([token], narrow)],
    ['a moment', renderAt(at(2), false, narrow)],
  ])('holds %s without cutting a word', (_, text) => {
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const known = /router\.context|errors|bedrock-trainium|DegradationDetected|continuous-integration|api-tpu/;
    expect(text).toMatch(known);
  });
});

describe('a plan', () => {
  it('shows stages with bake, prediction and its limit, then the smallest harm that each signal sees', () => {
    const text = renderPlan(preview(), look);
    expect(lineWith(text, 'activation of tpu')).toMatch(
      /^api\s+1%\s+1%\s+30 s\s+42 s\s+activation of tpu\/haiku\s+api-gpu, api-tpu$/,
    );
    expect(lineWith(text, '80% power')).toMatch(/^api\/1%\s+script-errors\s+none\s+4\.2 times \(95%: [^)]*\)\s+-\s/);
    expect(lineWith(text, 'too rare')).toMatch(/refusals\s+3 times\s+none\s+never/);
    expect(text).toContain('traffic  api-tpu 1,204.5/s (requests, over the last 1 h)');
    expect(text).toContain('total    never, with the traffic of today');
    expect(text).toContain('warning  refusals cannot be judged at 1%');
  });

  it('says that a signal is not known yet, and not that nothing could be seen', () => {
    const { stages, ...rest } = preview();
    const unknown = { known: false, smallestHarm: null, nearlySure: null, predictedMs: null };
    const silent = stages.map((each) => ({ ...each, signals: each.signals.map((one) => ({ ...one, ...unknown })) }));
    const text = renderPlan({ ...rest, stages: silent }, look);
    expect(lineWith(text, 'too rare')).toMatch(/refusals\s+3 times\s+not known yet\s+not known yet/);
  });

  it('says in words that there is no traffic, and predicts neither 0 nor never', () => {
    const { stages, ...rest } = preview();
    const silent = stages.map((each) => ({ ...each, predictedMs: null, limitedBy: 'no traffic' }));
    const text = renderPlan({ ...rest, stages: silent, traffic: { spanMs: 600_000, perTarget: {} } }, look);
    expect(text).toContain('traffic  none was seen in the last 10 min');
    expect(lineWith(text, 'no traffic')).toMatch(/30 s\s+not known\s+no traffic/);
    expect(text).toContain('total    not known: no traffic was seen lately');
    expect(text).not.toContain('0 ms');
  });

  it('shows how many instances would be chosen', () => {
    const { stages, ...rest } = preview();
    const instances = [{ target: 'api-tpu', chosen: 2, of: 8 }];
    const text = renderPlan({ ...rest, stages: stages.map((each) => ({ ...each, instances })) }, look);
    expect(lineWith(text, 'activation of tpu')).toMatch(/1% \(2 of 8\)/);
  });
});

describe('a plan in which a track waits for parity', () => {
  const parity = {
    track: 'vertex',
    signal: 'golden-answers',
    between: ['api', 'bedrock'] as [string, string],
    withinBp: 200,
    pairs: [
      { discordant: 0, pairs: 273 },
      { discordant: 0.05, pairs: 1_937 },
      { discordant: 0.2, pairs: null },
    ],
  };

  it('shows how many pairs that takes, by how many of them differ', () => {
    expect(lineWith(renderPlan({ ...preview(), parity: [parity] }, look), 'golden-answers')).toMatch(
      /^vertex\s+api and bedrock\s+golden-answers\s+±2%\s+273 where none differs; 1,937 where 5% differ; never where 20% differ$/,
    );
    expect(renderPlan(preview(), look)).not.toContain('PARITY');
  });
});

describe('the evidence of parity', () => {
  const parity = {
    ...openParity(),
    comparisons: [
      {
        left: 'api-us',
        right: 'bedrock-us',
        pairs: 120,
        leftOnly: 5,
        rightOnly: 3,
        lastAt: '2025-08-29T12:10:00.000Z',
      },
    ],
  };
  const view: EvidenceView = {
    rollout: ROLLOUT_ID,
    config: 'router.context',
    revision: 2,
    alpha: 0.001,
    assignment: 'unit',
    looks: 0,
    look: 0,
    digest: '',
    compactedAt: null,
    grid: [],
    promotionGrid: [],
    signals: [],
    parity: [parity],
    leftovers: [],
  };

  it('shows the difference with its interval, the e-values for and against it, and what was compared', () => {
    const text = renderEvidence(view, true, look);
    expect(lineWith(text, '[-7.56%')).toMatch(
      /^vertex\s+golden-answers\s+1.67%\s+\[-7.56% to 12.16%\]\s+0.82 of 20\s+0.79 of 200\s+parity-bet-v1$/,
    );
    expect(lineWith(text, 'api-us × bedrock-us')).toMatch(
      /^vertex\s+golden-answers\s+api-us × bedrock-us\s+120\s+5 \/ 3\s+2025-08-29 12:10:00 \(5 min ago\)$/,
    );
  });

  it('says so where nothing was compared', () => {
    expect(renderEvidence({ ...view, parity: [{ ...parity, comparisons: [] }] }, false, look)).toContain(
      'nothing so far',
    );
  });

  it('that is computed again is the same, or says what differs', () => {
    const again = { position: 7, parity: openParity(), differs: ['verdict fail'], skipped: null };
    const text = renderRecomputed([], [again, { ...again, position: 9, differs: [] }], look);
    expect(lineWith(text, '#7')).toMatch(/^#7\s+golden-answers\s+api and bedrock\s+inconclusive\s+verdict fail$/);
    expect(lineWith(text, '#9')).toMatch(/the same$/);
  });
});

describe('what apply did', () => {
  const applied = {
    dryRun: false,
    results: [
      {
        kind: 'Config',
        name: 'router.context',
        action: 'revised' as const,
        revision: 2,
        changes: [{ path: '/value/window', before: 1, after: 2 }],
      },
      { kind: 'Plan', name: 'cautious', action: 'created' as const, changes: [{ path: '/alpha', after: 0.001 }] },
      { kind: 'Target', name: 'api-tpu', action: 'unchanged' as const, changes: [] },
    ],
  };

  it('prints a diff for each manifest', () => {
    expect(renderApply(applied, look)).toBe(
      [
        'config/router.context  revised  r2',
        '  ~ /value/window: 1 → 2',
        'plan/cautious  created',
        '  + /alpha: 0.001',
        'target/api-tpu  unchanged',
      ].join('\n'),
    );
    expect(summariseApply(applied)).toBe('3 manifests: 1 revised, 1 created, 1 unchanged');
  });

  it.each([
    [3, 1, 'r3 (the same value as r1; r2 was newer)'],
    [4, 1, 'r4 (the same value as r1; r2 and r3 were newer)'],
    [9, 2, 'r9 (the same value as r2; r3 to r8 were newer)'],
  ])('says that revision %d takes the value of revision %d up again', (revision, sameAs, said) => {
    const [config] = applied.results;
    const text = renderApply({ ...applied, results: [{ ...config!, revision, sameAs }] }, look);
    expect(lineWith(text, 'router.context')).toBe(`config/router.context  revised  ${said}`);
  });

  it('warns of what a plan names that nobody has registered, by field', () => {
    const detail = 'Plan cautious names signal bad-json, which is not registered: apply its manifest';
    const [config, plan, target] = applied.results;
    const warned = { ...plan!, warnings: [{ pointer: '/spec/signals/0/signal', detail }] };
    const text = renderApply({ ...applied, results: [config!, warned, target!] }, look);
    expect(lineWith(text, 'warning')).toBe(`  warning /spec/signals/0/signal: ${detail}`);
    expect(summariseApply({ ...applied, results: [warned] })).toBe('1 manifest: 1 created; 1 warning, see above');
  });

  it('a dry run says what would be', () => {
    const dry = { ...applied, dryRun: true };
    expect(renderApply(dry, look)).toContain('config/router.context  would be revised');
    expect(summariseApply(dry)).toContain('dry run, nothing was written');
  });
});

describe('the log', () => {
  it('shows who, when, what and why, without saying the reason twice', () => {
    const events = [
      event(7, { summary: 'api enters 5%' }),
      event(8, { type: 'RolledBack', summary: 'taken back: bad', reason: 'bad' }),
    ];
    const text = renderHistory(events, look);
    expect(lineWith(text, '#7')).toMatch(/^#7\s+2025-08-29 12:03:12\s+alice\s+StageEntered\s+api enters 5%$/);
    expect(lineWith(text, '#8')).toMatch(/taken back: bad$/);
    expect(renderEventLine(event(9, { reason: 'too quiet' }), look)).toBe('12:03:12  event 9 (too quiet)');
  });
});

describe('moments and their differences', () => {
  it('shows what each target was asked to serve, and the documents on request', () => {
    const text = renderAt(at(2), true, look);
    expect(text).toContain('as of 2025-08-29 12:00:00 (position #100)');
    expect(lineWith(text, 'api-tpu')).toMatch(/^api-tpu\s+api\s+42\s+-\s+-\s+router\.context\s+r2\s+-$/);
    expect(text).toContain('"window": 1000000');
    expect(renderAt(at(2), false, look)).not.toContain('window');
  });

  it('before the first event there is no time to name', () => {
    expect(renderAt(at(1, { at: null, position: 0, targets: [] }), false, look)).toMatch(
      /^before the first event \(position #0\)\n\nno targets$/,
    );
  });

  it('names both revisions while a share is on the candidate', () => {
    const config = { ...at(1).targets[0]!.configs[0]!, candidate: 3, shareBp: 500 };
    expect(showLive(config)).toBe('r3 for 5%, r1 for the rest');
    expect(showLive({ ...config, shareBp: 10_000 })).toBe('r3');
    expect(showLive({ ...config, shareBp: 0 })).toBe('r1');
  });

  it('between two moments only what changed is shown, down to the field', () => {
    const differences = compareMoments(at(1), at(2));
    expect(renderDifferences(differences, look)).toBe(
      'api-tpu  router.context  r1 → r2\n  ~ /window: 200000 → 1000000',
    );
    expect(renderDifferences(compareMoments(at(1), at(1)), look)).toBe('no difference');
  });

  it('a target that is new since then is a difference too', () => {
    const before = { ...at(1), targets: at(1).targets.slice(0, 1) };
    expect(compareMoments(before, at(1))).toMatchObject([{ where: 'api-tpu', before: null, after: { control: 1 } }]);
  });

  it('two targets are compared by what they serve, whichever rollout brought it', () => {
    expect(compareTwoTargets(at(1), 'api-gpu', 'api-tpu')).toEqual([]);
    expect(compareTwoTargets(at(2), 'api-gpu', 'api-tpu')).toMatchObject([
      { where: 'api-gpu → api-tpu', changes: [{ path: '/window', before: 200_000, after: 1_000_000 }] },
    ]);
  });
});

describe('tokens', () => {
  it('shows who has which role until when, and only the last characters', () => {
    const token = {
      id: 't1',
      subject: 'ci',
      role: 'operator' as const,
      last4: 'a1b2',
      createdAt: '2025-08-01T00:00:00Z',
      expiresAt: null,
      revokedAt: null,
    };
    const text = renderTokens(
      [
        token,
        { ...token, id: 't2', expiresAt: '2025-08-02T00:00:00Z' },
        { ...token, id: 't3', revokedAt: '2025-08-03T00:00:00Z' },
      ],
      look,
    );
    expect(lineWith(text, 't1 ')).toMatch(/ci\s+operator\s+…a1b2\s+2025-08-01 00:00:00\s+valid, never expires$/);
    expect(lineWith(text, 't2 ')).toContain('expired 2025-08-02');
    expect(lineWith(text, 't3 ')).toContain('revoked 2025-08-03');
  });
});

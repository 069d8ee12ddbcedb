import { describe, expect, it } from 'vitest';
import { nextStep } from './next-steps.js';
import { OTHER_ID, problem, ROLLOUT_ID } from './testing/fixtures.js';

const after = (code: string, detail: string, request = `POST /v1/rollouts/${ROLLOUT_ID}/promote`) =>
  nextStep(problem({ code, detail }), request);

describe('what to do after a refusal', () => {
  it.each([
    ['rollout-held', `Rollout ${ROLLOUT_ID} is paused (look).`, `headgate resume ${ROLLOUT_ID} --reason`],
    ['guardrail-failed', 'It cannot be promoted past a failed signal: x', `headgate abort ${ROLLOUT_ID} --reason`],
    ['rollback-under-way', 'It is being rolled back.', `headgate watch ${ROLLOUT_ID}`],
    ['rollout-already-finished', 'It is settled.', `headgate history --rollout ${ROLLOUT_ID}`],
    ['nothing-to-abandon', 'It is not being taken back from x.', `headgate status ${ROLLOUT_ID}`],
    ['stale-version', 'It is at version 9, not 7: read it again.', `headgate status ${ROLLOUT_ID}`],
  ])('%s names the rollout that was meant and the command for it', (code, detail, command) => {
    expect(after(code, detail)).toContain(command);
  });

  it('names the other rollout that stands in the way of a start', () => {
    const held = `Rollout ${OTHER_ID} is watched and paused (look): resume it, then start what takes over from it.`;
    expect(after('rollout-held', held, 'POST /v1/rollouts')).toContain(`headgate resume ${OTHER_ID}`);
    const running = `Config router.context is already being rolled out on a by rollout ${OTHER_ID}: wait.`;
    expect(after('rollout-already-running', running, 'POST /v1/rollouts')).toContain(`headgate watch ${OTHER_ID}`);
    expect(after('rollout-already-running', 'in the way', 'POST /v1/rollouts')).toContain('headgate watch ROLLOUT');
  });

  it('says nothing where the message names the command already, and only the command where it says the words', () => {
    expect(after('nothing-to-promote', `No track is in a stage now. See: headgate status ${ROLLOUT_ID}`)).toBeNull();
    expect(after('stage-has-passed', `Look again, then promote. See: headgate status ${ROLLOUT_ID}`)).toBeNull();
    expect(after('token-not-found', 'There is no token x. List them: headgate token list')).toBeNull();
    const detail = 'There is no plan x. Apply its manifest first.';
    expect(after('plan-not-found', detail, 'POST /v1/rollouts')).toBe('headgate apply -f FILE');
  });

  it('has nothing of its own for a code that it does not know', () => {
    expect(after('never-heard-of', 'no')).toBeUndefined();
  });
});

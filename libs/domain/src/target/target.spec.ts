import { describe, expect, it } from 'vitest';
import { specification, stateAfter } from '#libs/testing';
import type { TargetEvent } from '../events/index.js';
import { targetDecider, type TargetCommand } from './index.js';

const { given } = specification(targetDecider);
const labels = { region: 'us', hardware: 'tpu' };

const registered: Extract<TargetEvent, { type: 'TargetRegistered' }> = {
  type: 'TargetRegistered',
  data: { target: 'api-us', platform: 'api', labels, models: ['sonnet'], driver: 'pull', settings: {} },
};
const register = (change: Partial<Extract<TargetCommand, { type: 'RegisterTarget' }>> = {}): TargetCommand => ({
  type: 'RegisterTarget',
  target: 'api-us',
  platform: 'api',
  labels,
  models: ['sonnet'],
  driver: 'pull',
  ...change,
});
const acknowledge = (generation: number): TargetCommand => ({
  type: 'RecordAcknowledgement',
  generation,
  instances: 3,
});

describe('register a target', () => {
  it('keeps its platform, labels, models and driver', () => {
    given()
      .when(register())
      .then({ type: 'TargetRegistered', data: { target: 'api-us', platform: 'api', labels, driver: 'pull' } });
  });

  it('again with the same words is nothing, in whatever order the labels come', () => {
    given(registered)
      .when(register({ labels: { hardware: 'tpu', region: 'us' } }))
      .thenNothing();
  });

  it('again with other labels or models changes those', () => {
    given(registered)
      .when(register({ labels: { region: 'us' } }))
      .then({ type: 'TargetLabelled', data: { labels: { region: 'us' } } });
    given(registered)
      .when(register({ models: ['sonnet', 'haiku'] }))
      .then({ type: 'TargetLabelled', data: { models: ['sonnet', 'haiku'] } });
  });

  it('is refused on another platform or driver, because neither can change', () => {
    given(registered)
      .when(register({ platform: 'bedrock' }))
      .thenRejected('target-exists', 'api-us', '/spec/platform');
    given(registered)
      .when(register({ driver: 'webhook' }))
      .thenRejected('target-exists', '/spec/driver');
  });
});

describe('acknowledge a generation', () => {
  it('rule 6: moves forward only', () => {
    const { history } = given(registered)
      .when(acknowledge(7))
      .then({ type: 'GenerationAcknowledged', data: { generation: 7, instances: 3 } });
    given(history).when(acknowledge(7)).thenNothing();
    given(history).when(acknowledge(6)).thenNothing();
    expect(given(history).when(acknowledge(8)).types()).toEqual(['GenerationAcknowledged']);
  });

  it('is refused for a target that nobody registered', () => {
    given().when(acknowledge(1)).thenRejected('target-not-found');
  });

  it('is kept when labels change', () => {
    const state = stateAfter(
      targetDecider,
      registered,
      { type: 'GenerationAcknowledged', data: { target: 'api-us', generation: 7, instances: 3 } },
      { type: 'TargetLabelled', data: { target: 'api-us', labels: {}, models: ['haiku'], settings: {} } },
      { type: 'TargetRetired', data: { target: 'api-us' } },
    );
    expect(state).toMatchObject({ status: 'retired', acknowledged: 7, models: ['haiku'] });
  });
});

describe('settings of a target', () => {
  const settings = { url: 'https://a.example', secretEnv: 'SECRET' };
  const webhook: TargetEvent = { type: 'TargetRegistered', data: { ...registered.data, driver: 'webhook', settings } };

  it('are kept, and changed by applying others', () => {
    given()
      .when(register({ driver: 'webhook', settings }))
      .then({ type: 'TargetRegistered', data: { settings } });
    given(webhook)
      .when(register({ driver: 'webhook', settings: { secretEnv: 'SECRET', url: 'https://a.example' } }))
      .thenNothing();
    const other = { ...settings, url: 'https://b.example' };
    given(webhook)
      .when(register({ driver: 'webhook', settings: other }))
      .then({ type: 'TargetLabelled', data: { settings: other } });
  });
});

describe('drift', () => {
  const found = { generation: 7, held: null, detail: 'it holds what Headgate never wrote' } as const;
  const record = (action: 'hold' | 'put-back', over: object = {}): TargetCommand => ({
    type: 'RecordDrift',
    ...found,
    action,
    ...over,
  });

  it('is recorded once for as long as it is the same', () => {
    const { history } = given(registered)
      .when(record('hold'))
      .then({ type: 'DriftFound', data: { target: 'api-us', action: 'hold' } });
    given(history).when(record('hold')).thenNothing();
    expect(
      given(history)
        .when(record('hold', { detail: 'it holds nothing' }))
        .types(),
    ).toEqual(['DriftFound']);
  });

  it('is put back once for each generation that was asked', () => {
    const { history } = given(registered).when(record('put-back')).then({ type: 'DriftFound' });
    given(history).when(record('put-back')).thenNothing();
    expect(
      given(history)
        .when(record('put-back', { generation: 9 }))
        .types(),
    ).toEqual(['DriftFound']);
  });

  it('ends once', () => {
    const { history } = given(registered, { type: 'DriftFound', data: { target: 'api-us', ...found, action: 'hold' } })
      .when({ type: 'RecordDriftEnd', generation: 8 })
      .then({ type: 'DriftEnded', data: { generation: 8 } });
    given(history).when({ type: 'RecordDriftEnd', generation: 8 }).thenNothing();
    given(registered).when({ type: 'RecordDriftEnd', generation: 8 }).thenNothing();
  });
});

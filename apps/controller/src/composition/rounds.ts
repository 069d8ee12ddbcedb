import { mergeSketches } from '#libs/application';
import { Exposed } from '#libs/signals';
import type { ControllerConfig } from '../config.js';
import { startForgetting } from './forgetting.js';
import { notKept, type Setting } from './not-kept.js';

/** Who was exposed is counted by the hour: so often that an hour is right to the minute. */
const COUNTING = { everyMs: 60_000, firstMs: 5_000 };

/** What is done again and again beside the work: old rows are forgotten, and who was exposed is counted before. */
export const startRounds = (config: ControllerConfig, setting: Omit<Setting, 'exposed'>, now: () => number) => {
  const exposed = new Exposed(setting.pool, mergeSketches);
  const report = setting.report('Who was exposed cannot be counted by the hour; trying again in a minute.');
  const counting = startForgetting([{ forget: (at) => exposed.take(at), report }], now, COUNTING);
  const forgetting = startForgetting(notKept(config, { ...setting, exposed }), now);
  const stop = async (): Promise<void> => {
    await Promise.all([forgetting.stop(), counting.stop()]);
  };
  return { exposed, minUnits: config.minUnits, stop };
};

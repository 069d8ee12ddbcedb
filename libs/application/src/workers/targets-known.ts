import { capabilitiesOf, readSettings, type Capabilities } from '#libs/contracts';
import { renderRuleset, type FleetTarget } from '#libs/domain';
import type { LiveView } from '../queries/live-view.js';
import type { TargetsKnown } from './facts.js';

/** What can be done on a target, by the driver and the settings that the log has of it. */
export const targetCapabilities = ({ driver, settings }: Pick<FleetTarget, 'driver' | 'settings'>): Capabilities =>
  capabilitiesOf(readSettings(driver, settings));

const PULLED = capabilitiesOf({ driver: 'pull', settings: {} });

/** What assessments need to know of targets, from the log. */
export const targetsKnown = (view: LiveView): TargetsKnown => ({
  withControlAlone: ({ config, targets }, target) => {
    const control = targets[target]?.control ?? 1;
    const values = { [control]: view.fleet.valueOf(config, control) ?? {} };
    const alone = { config, control, candidate: null, shareBp: 0, rollout: null, values };
    return renderRuleset({ target, generation: 0, configs: [alone] });
  },
  capabilities: (target) => {
    const known = view.fleet.targets.get(target);
    return known ? targetCapabilities(known) : PULLED;
  },
  nextRollout: ({ id, config }, target) => view.fleet.nextRollout(target, config, id),
  drift: (target) => {
    const drift = view.fleet.targets.get(target)?.drift;
    return drift?.action === 'hold' ? `drift on ${target}: ${drift.detail}` : undefined;
  },
});

import type { ParameterManagerSettings, VertexSettings } from '#libs/contracts';
import type { StoreEmulator } from '#libs/emulators';

export { StoreEmulator } from '#libs/emulators';

export const GOOGLE_ENVIRONMENT = { EMULATED_TOKEN: 'token' };
const project = 'fleet-project';

const kept = <T>(make: (target: string) => T): ((target: string) => T) => {
  const made = new Map<string, T>();
  return (target) => {
    const known = made.get(target) ?? make(target);
    made.set(target, known);
    return known;
  };
};

/** A parameter for each target that is asked for. */
export const emulatedParameters = (emulator: StoreEmulator): ((target: string) => ParameterManagerSettings) =>
  kept((target) => {
    emulator.parameterManager.createParameter(project, 'global', target);
    return {
      project,
      location: 'global',
      parameter: target,
      endpoint: emulator.url,
      accessTokenEnv: 'EMULATED_TOKEN',
      poll: 60_000,
      onDrift: 'hold',
      check: 60_000,
    };
  });

/** An endpoint with two deployed models for each target that is asked for. */
export const emulatedEndpoints = (emulator: StoreEmulator): ((target: string) => VertexSettings) =>
  kept((target) => ({
    project,
    location: 'europe-west1',
    endpointId: emulator.vertex.createEndpoint(project, 'europe-west1', target, ['11', '22']),
    config: 'weights',
    deployedModels: { r1: '11', r2: '22' },
    endpoint: emulator.url,
    accessTokenEnv: 'EMULATED_TOKEN',
    onDrift: 'hold',
    check: 60_000,
  }));

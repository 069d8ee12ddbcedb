import type { AppConfigSettings } from '#libs/contracts';
import { StoreEmulator, type StoreEmulatorOptions } from '#libs/emulators';

export type { StoreEmulator } from '#libs/emulators';

/** AppConfig with an application, and an environment and a profile for each target that is asked for. */
export const emulatedAppConfig = async (
  options: StoreEmulatorOptions = {},
): Promise<{ readonly emulator: StoreEmulator; readonly settingsOf: (target: string) => AppConfigSettings }> => {
  // The client takes its credentials from here, as it does in production.
  process.env['AWS_ACCESS_KEY_ID'] ??= 'emulated';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'emulated';
  const emulator = await StoreEmulator.start(options);
  const { state } = emulator.appConfig;
  const strategy = state.createStrategy({
    Name: 'at once',
    DeploymentDurationInMinutes: 0,
    GrowthType: 'LINEAR',
    GrowthFactor: 100,
    FinalBakeTimeInMinutes: 0,
  }).Id;
  const made = new Map<string, AppConfigSettings>();
  const settingsOf = (target: string): AppConfigSettings => {
    const known = made.get(target);
    if (known) return known;
    const settings: AppConfigSettings = {
      region: 'eu-central-1',
      application: state.createApplication(target).id,
      environment: '',
      profile: '',
      strategy,
      endpoint: emulator.url,
      poll: 60_000,
      onDrift: 'hold',
      check: 60_000,
    };
    const whole = {
      ...settings,
      environment: state.createEnvironment(settings.application, target).id,
      profile: state.createProfile(settings.application, 'ruleset').id,
    };
    made.set(target, whole);
    return whole;
  };
  return { emulator, settingsOf };
};

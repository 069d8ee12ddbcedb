import type { StoreEmulator } from '#libs/emulators';
import type { PlatformFault, PlatformUnderTest } from '#test/conformance/platform-driver';

type Step = Parameters<StoreEmulator['play']>[0][number];

/** What a driver's platform is asked to do wrong, on an emulated store of which one operation is the write. */
export const storeFaults = (
  emulator: StoreEmulator,
  service: Step['service'],
  operation: string,
): Pick<PlatformUnderTest, 'breakNext' | 'breakNextRead' | 'delayNextAnswer'> => {
  const steps: Readonly<Record<PlatformFault, Omit<Step, 'service'>>> = {
    'before-effect': { fault: 'cut-off' },
    'after-effect': { fault: 'lost-answer', operation },
    'timeout-before-effect': { fault: 'timeout' },
    'timeout-after-effect': { fault: 'timeout-after', operation },
    throttled: { fault: 'throttled' },
    'server-error': { fault: 'server-error' },
    'server-error-after-effect': { fault: 'server-error-after', operation },
    'expired-credentials': { fault: 'expired-credentials' },
    nonsense: { fault: 'nonsense' },
  };
  return {
    breakNext: (when) => emulator.play([{ service, ...steps[when] }]),
    breakNextRead: (when) => emulator.play([{ service, fault: steps[when].fault }]),
    delayNextAnswer: () => emulator.hold(service, operation, 'answer'),
  };
};

import type { PlatformDriver } from '#libs/platforms';

/** A driver for which what is to go wrong with one apply does not go wrong with a later one. */
export const oneFault = (driver: PlatformDriver, clear: () => void): PlatformDriver =>
  new Proxy(driver, {
    get: (inner, name): unknown => {
      const member: unknown = Reflect.get(inner, name);
      if (typeof member !== 'function') return member;
      if (name !== 'apply') return member.bind(inner);
      return (...what: Parameters<PlatformDriver['apply']>) => inner.apply(...what).finally(clear);
    },
  });

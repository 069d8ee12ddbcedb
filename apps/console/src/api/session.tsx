import { createContext, use } from 'react';
import type { WhoAmI } from '#libs/contracts';
import type { Api } from './client.js';

const KEY = 'headgate.token';

/** Kept for this tab only, until it is closed; never in an address and never on the disk. */
export const keptToken = (): string | undefined => sessionStorage.getItem(KEY) || undefined;
export const keepToken = (token: string): void => sessionStorage.setItem(KEY, token);
export const forgetToken = (): void => sessionStorage.removeItem(KEY);

export type Session = {
  readonly api: Api;
  readonly who: WhoAmI;
  /** May change something. */
  readonly mayAct: boolean;
  readonly signOut: (why?: string) => void;
};

export const SessionContext = createContext<Session | undefined>(undefined);

export const useSession = (): Session => {
  const session = use(SessionContext);
  if (!session) throw new Error('There is no session outside of the signed-in part.');
  return session;
};

import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState, type JSX, type ReactNode } from 'react';
import type { WhoAmI } from '#libs/contracts';
import { Api } from '../api/client.js';
import { LiveProvider } from '../api/live.js';
import { RefusedError, UnreachableError, wordsOf } from '../api/problem.js';
import { forgetToken, keepToken, keptToken, SessionContext } from '../api/session.js';
import { SignInPage } from '../pages/sign-in-page.js';

type Stage =
  | { readonly kind: 'out'; readonly why?: string | undefined }
  | { readonly kind: 'asking'; readonly token: string }
  | { readonly kind: 'in'; readonly token: string; readonly who: WhoAmI };

const refusalOf = (error: unknown): string => {
  if (error instanceof RefusedError && error.problem.status === 401)
    return 'This token is unknown, revoked or expired. An admin issues a new one.';
  if (error instanceof UnreachableError) return 'The controller does not answer. Try again when it is up.';
  return wordsOf(error);
};

const RETRY_MS = 2_000;

/** Everything behind it is seen by who has a token that may read; the address is kept meanwhile. */
export const SignedIn = ({ children }: { readonly children: ReactNode }): JSX.Element => {
  const client = useQueryClient();
  const [stage, setStage] = useState<Stage>(() => {
    const token = keptToken();
    return token === undefined ? { kind: 'out' } : { kind: 'asking', token };
  });

  const signOut = useCallback(
    (why?: string): void => {
      forgetToken();
      client.clear();
      setStage({ kind: 'out', why });
    },
    [client],
  );

  const asked = stage.kind === 'asking' ? stage.token : undefined;
  useEffect(() => {
    if (asked === undefined) return undefined;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wasKept = keptToken() === asked;
    const ask = (): void =>
      void new Api(asked).whoAmI().then(
        (who) => {
          if (isOver) return;
          if (who.role === 'service')
            return signOut(
              `${who.subject} is the token of a fleet. The console needs one with the role viewer, operator or admin.`,
            );
          keepToken(asked);
          setStage({ kind: 'in', token: asked, who });
        },
        (error: unknown) => {
          if (isOver) return;
          // Whoever was signed in stays so while the controller is away.
          if (wasKept && !(error instanceof RefusedError && error.problem.status < 500))
            timer = setTimeout(ask, RETRY_MS);
          else signOut(refusalOf(error));
        },
      );
    ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [asked, signOut]);

  const session = useMemo(() => {
    if (stage.kind !== 'in') return undefined;
    const { token, who } = stage;
    const api = new Api(token, () => signOut('This token counts no more: it was revoked or has expired.'));
    return { api, who, mayAct: who.role === 'operator' || who.role === 'admin', signOut };
  }, [stage, signOut]);

  if (session === undefined)
    return (
      <SignInPage
        isBusy={stage.kind === 'asking'}
        why={stage.kind === 'out' ? stage.why : undefined}
        onToken={(token) => setStage({ kind: 'asking', token })}
      />
    );
  return (
    <SessionContext value={session}>
      <LiveProvider>{children}</LiveProvider>
    </SessionContext>
  );
};

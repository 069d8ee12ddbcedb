import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { JSX } from 'react';
import type { EventView } from '#libs/contracts';
import type { Api } from '../../api/client.js';
import { wordsOf } from '../../api/problem.js';
import { useSession } from '../../api/session.js';
import { Shape, StateMark } from '../../parts/mark.js';
import { Time } from '../../parts/time.js';
import { plural } from '../../words/format.js';
import { prove, type Check, type Proved } from '../../words/proof.js';
import type { Look } from '../../words/status.js';

/** How far the log is under a signed head, as the controller says; each event can be checked by itself. */
export const Seal = (): JSX.Element | null => {
  const { api } = useSession();
  const { data: head } = useQuery({ queryKey: ['log-head'], queryFn: () => api.logHead(), staleTime: 10_000 });
  if (!head) return null;
  return (
    <span className="small dim wrap">
      Sealed up to #{head.size}
      {head.signedAt === null ? null : (
        <>
          {' '}
          at <Time at={head.signedAt} />
        </>
      )}{' '}
      by the key <code>{head.keyId}</code>
      {head.sealing.message === null ? '' : `; ${head.sealing.message}`}
    </span>
  );
};

const askProof = async (
  api: Api,
  event: EventView,
): Promise<Proved & { readonly size: number; readonly keyId: string }> => {
  const [head, keys, line] = await Promise.all([api.logHead(), api.logKeys(), api.eventLine(event.position)]);
  if (head.size < event.position)
    throw new Error(`No signed head covers it yet: they go up to #${head.size}. Try again in a few seconds.`);
  const proof = await api.inclusion(event.position, head.size);
  return { ...(await prove({ shown: event, line, head, keys, proof })), size: head.size, keyId: head.keyId };
};

const lookOf = ({ isProved, isRefuted }: Proved): Look => {
  if (isRefuted) return { tone: 'bad', mark: 'cross', words: 'does not fit the sealed log' };
  return isProved
    ? { tone: 'good', mark: 'check', words: 'verified in this browser' }
    : { tone: 'unknown', mark: 'ring', words: 'verified in part' };
};

const CheckLine = ({ check: { words, isRight } }: { readonly check: Check }): JSX.Element => (
  <li className="row" style={{ flexWrap: 'nowrap', alignItems: 'baseline' }}>
    <span className={isRight === true ? 'good' : isRight === false ? 'bad' : 'unknown'}>
      <Shape mark={isRight === true ? 'check' : isRight === false ? 'cross' : 'ring'} />
    </span>
    <span className="wrap">
      {isRight === false ? 'Not so: ' : ''}
      {words}
    </span>
  </li>
);

/** Whether the event is under a signed head, computed here from its bytes; and what that does not say. */
export const Proof = ({ event }: { readonly event: EventView }): JSX.Element => {
  const { api } = useSession();
  // Browsers keep WebCrypto from pages that come unprotected from another machine.
  const canCheck = window.isSecureContext;
  const proof = useQuery({
    queryKey: ['proof', event.eventId],
    queryFn: () => askProof(api, event),
    enabled: canCheck,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <section className="section small" aria-label={`Proof of #${event.position}`}>
      {canCheck ? null : (
        <span className="dim">
          Not checked here: browsers compute hashes only for pages over TLS. <code>headgate verify</code> does it
          anywhere.
        </span>
      )}
      {canCheck && proof.isPending ? <span className="dim">Checking…</span> : null}
      {proof.error ? (
        <span className="row">
          <span className="warn wrap">Not checked: {wordsOf(proof.error)}</span>
          <Button size="compact-xs" variant="default" onClick={() => void proof.refetch()}>
            Check again
          </Button>
        </span>
      ) : null}
      {proof.data ? (
        <>
          <StateMark look={lookOf(proof.data)} />
          <details open={proof.data.isRefuted}>
            <summary>What was checked, and by whom</summary>
            <ul style={{ listStyle: 'none', margin: '6px 0', padding: 0 }}>
              {proof.data.checks.map((check) => (
                <CheckLine key={check.words} check={check} />
              ))}
            </ul>
            <p className="dim wrap">
              This page hashed the bytes of the event itself, under the head over {plural(proof.data.size, 'event')}. It
              has bytes, proof, head and key from this controller: whoever owns it could have written all of them anew.
              Against that helps what was kept elsewhere: compare the key <code>{proof.data.keyId}</code> with the one
              that an auditor keeps, and run <code>headgate verify</code> with an older head or a witness, of which this
              page knows nothing.
            </p>
          </details>
        </>
      ) : null}
    </section>
  );
};

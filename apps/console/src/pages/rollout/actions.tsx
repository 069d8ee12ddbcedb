import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState, type JSX } from 'react';
import type { RolloutView } from '#libs/contracts';
import { useSession } from '../../api/session.js';
import { useKeys } from '../../app/keys.js';
import { ReasonDialog } from '../../parts/reason-dialog.js';
import { actionsFor, type Action } from '../../words/actions.js';

/** What may be done now; what may not is not there. */
export const Actions = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const { api, mayAct, who } = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Action>();
  const actions = actionsFor(rollout, mayAct);
  const names = actions.map(({ name }) => name).join(' ');
  const keys = useMemo(
    () => Object.fromEntries(actionsFor(rollout, mayAct).map((action) => [action.key, () => setAsked(action)])),
    // The rollout changes all the time; what may be done with it does not.
    [names, rollout.id, mayAct],
  );
  useKeys(keys);

  const act = async ({ name, body }: Action, reason: string): Promise<void> => {
    if (name === 'undo') {
      const started = await api.undo(rollout.config, { ...body, reason });
      await navigate({ to: '/rollouts/$id', params: { id: started.id } });
      return;
    }
    client.setQueryData(['rollout', rollout.id], await api.steer(rollout.id, name, { ...body, reason }));
  };

  if (!mayAct) return <span className="dim small">You are signed in as a {who.role}: you read, others steer.</span>;
  return (
    <div className="row" role="group" aria-label="Actions">
      {actions.map((action) => (
        <Button
          key={action.name}
          variant={action.isGrave ? 'filled' : 'default'}
          color={action.isGrave ? 'red' : 'water'}
          aria-keyshortcuts={action.key}
          onClick={() => setAsked(action)}
        >
          {action.label}
        </Button>
      ))}
      {asked ? (
        <ReasonDialog
          title={`${asked.label}: ${rollout.config} r${rollout.revision}`}
          consequence={asked.consequence}
          verb={asked.label}
          isGrave={asked.isGrave}
          onClose={() => setAsked(undefined)}
          onDo={(reason) => act(asked, reason)}
        />
      ) : null}
    </div>
  );
};

import { Button, Group, Modal } from '@mantine/core';
import { useState, type JSX } from 'react';
import { Trouble } from './states.js';
import { isReason, ReasonField, useSubmit } from './submit.js';

type Props = {
  readonly title: string;
  readonly consequence: string;
  readonly verb: string;
  readonly isGrave: boolean;
  readonly onClose: () => void;
  readonly onDo: (reason: string) => Promise<unknown>;
};

/** Says what will happen, asks why, and does it. The reason stays in the log for ever. */
export const ReasonDialog = ({ title, consequence, verb, isGrave, onClose, onDo }: Props): JSX.Element => {
  const [reason, setReason] = useState('');
  const { busy, error, run } = useSubmit();
  const isEnough = isReason(reason);
  const act = (): void => {
    if (isEnough) run(async () => onDo(reason.trim()).then(onClose));
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={<b>{title}</b>}
      size="lg"
      lockScroll={false}
      centered
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          act();
        }}
        className="stack"
      >
        <p className="sentence wrap">{consequence}</p>
        <ReasonField placeholder="what you saw, and who agreed" value={reason} onChange={setReason} onEnter={act} />
        {error === undefined ? null : <Trouble error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Leave it as it is
          </Button>
          <Button type="submit" color={isGrave ? 'red' : 'water'} disabled={!isEnough} loading={busy}>
            {verb}
          </Button>
        </Group>
      </form>
    </Modal>
  );
};

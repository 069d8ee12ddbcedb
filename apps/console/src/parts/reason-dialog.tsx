import { Button, Group, Modal, Textarea } from '@mantine/core';
import { useState, type JSX } from 'react';
import { Trouble } from './states.js';

const SHORTEST = 3;

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
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const isEnough = reason.trim().length >= SHORTEST;
  const act = (): void => {
    if (!isEnough || busy) return;
    setBusy(true);
    setError(undefined);
    onDo(reason.trim()).then(onClose, (refused: unknown) => {
      setError(refused);
      setBusy(false);
    });
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
        <Textarea
          label="Why"
          description="Stays in the log for ever, for everybody who may read it: no secrets, no message text."
          placeholder="what you saw, and who agreed"
          required
          autosize
          minRows={2}
          maxLength={500}
          data-autofocus
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) act();
          }}
        />
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

import { Textarea } from '@mantine/core';
import { useState, type JSX } from 'react';

const SHORTEST = 3;

/** Whether a reason says enough to be kept. */
export const isReason = (text: string): boolean => text.trim().length >= SHORTEST;

export type Submit = {
  readonly busy: boolean;
  readonly error: unknown;
  /** Does the work once at a time, and keeps what it was refused with. */
  readonly run: (work: () => Promise<unknown>) => void;
};

/** What is sent when a form is: under way, refused, or done. */
export const useSubmit = (): Submit => {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = (work: () => Promise<unknown>): void => {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    work()
      .catch((refused: unknown) => setError(refused))
      .finally(() => setBusy(false));
  };
  return { busy, error, run };
};

type Props = {
  readonly label?: string;
  readonly description?: string;
  readonly placeholder?: string;
  readonly value: string;
  readonly onChange: (reason: string) => void;
  /** For who would rather not leave the keyboard: Ctrl or Cmd and Enter. */
  readonly onEnter?: () => void;
};

/** Asks why. The answer stays in the log for ever. */
export const ReasonField = ({
  label = 'Why',
  description = 'Stays in the log for ever, for everybody who may read it: no secrets, no message text.',
  placeholder,
  value,
  onChange,
  onEnter,
}: Props): JSX.Element => (
  <Textarea
    label={label}
    description={description}
    placeholder={placeholder}
    required
    autosize
    minRows={2}
    maxLength={500}
    data-autofocus
    value={value}
    onChange={(event) => onChange(event.currentTarget.value)}
    onKeyDown={(event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) onEnter?.();
    }}
  />
);

import { Alert, Button, PasswordInput } from '@mantine/core';
import { useState, type JSX } from 'react';
import { Logo } from '../parts/logo.js';

type Props = {
  readonly isBusy: boolean;
  readonly why: string | undefined;
  readonly onToken: (token: string) => void;
};

export const SignInPage = ({ isBusy, why, onToken }: Props): JSX.Element => {
  const [token, setToken] = useState('');
  return (
    <main className="sign-in">
      <title>Sign in · Headgate</title>
      <form
        className="panel stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== '') onToken(token.trim());
        }}
      >
        <h1 className="row">
          <Logo /> Headgate
        </h1>
        <p className="dim">What moves, what holds, and what came of it.</p>
        <PasswordInput
          label="Token"
          description="Kept for this tab until you close it; never in an address, never on the disk."
          placeholder="hg_…"
          required
          autoFocus
          withAsterisk={false}
          autoComplete="off"
          spellCheck={false}
          value={token}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the token' }}
          onChange={(event) => setToken(event.currentTarget.value)}
        />
        {why === undefined ? null : (
          <Alert color="red" variant="outline" role="alert" title="Not signed in">
            {why}
          </Alert>
        )}
        <Button type="submit" loading={isBusy} disabled={token.trim() === '' && !isBusy}>
          Sign in
        </Button>
        <p className="dim small">
          No token? An admin makes one: <code>headgate token create NAME --role viewer</code>. On the machine of the
          controller the first one is in the file that HEADGATE_ADMIN_TOKEN_FILE names.
        </p>
      </form>
    </main>
  );
};

import { Button } from '@mantine/core';
import { useState, type JSX } from 'react';
import type { EventQuery } from '../../api/client.js';
import { wordsOf } from '../../api/problem.js';
import { useSession } from '../../api/session.js';

const PAGE = 1_000;
const MOST = 100_000;

const save = (lines: readonly string[]): void => {
  const url = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `headgate-history-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
};

/** Takes what the filters leave as a file: an event on each line, oldest first. */
export const Export = ({ query }: { readonly query: EventQuery }): JSX.Element => {
  const { api } = useSession();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const run = async (): Promise<void> => {
    const lines: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await api.events({ ...query, order: 'oldest', limit: PAGE, cursor });
      lines.push(...page.items.map((event) => JSON.stringify(event)));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && lines.length < MOST);
    save(lines);
  };
  return (
    <span className="row">
      {trouble === undefined ? null : <span className="bad small">{trouble}</span>}
      <Button
        variant="default"
        loading={busy}
        onClick={() => {
          setBusy(true);
          setTrouble(undefined);
          run()
            .catch((error: unknown) => setTrouble(wordsOf(error)))
            .finally(() => setBusy(false));
        }}
      >
        Save as a file
      </Button>
    </span>
  );
};

import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState, type JSX, type RefObject } from 'react';
import type { BoardView } from '#libs/contracts';
import { useBoard } from '../api/queries.js';

const MOST = 6;
const LIST = 'search-found';

type Found = { readonly value: string; readonly go: () => void };

const FoundList = ({
  all,
  chosen,
  onTake,
}: {
  readonly all: readonly Found[];
  readonly chosen: number;
  readonly onTake: (index: number) => void;
}): JSX.Element => (
  <ul id={LIST} role="listbox" aria-label="Found" className="panel found">
    {all.map(({ value }, index) => (
      <li
        key={value}
        id={`${LIST}-${index}`}
        role="option"
        aria-selected={index === chosen}
        className="wrap"
        // Before the field loses the focus, which closes the list.
        onMouseDown={() => onTake(index)}
      >
        {value}
      </li>
    ))}
  </ul>
);

const foundIn = (board: BoardView | undefined, words: string, navigate: ReturnType<typeof useNavigate>): Found[] => {
  const has = (name: string): boolean => name.toLowerCase().includes(words);
  const configs: Found[] = (board?.configs ?? [])
    .filter(({ config }) => has(config))
    .slice(0, MOST)
    .map(({ config }) => ({
      value: config,
      go: () => void navigate({ to: '/configs/$key', params: { key: config } }),
    }));
  const rollouts: Found[] = [...(board?.running ?? []), ...(board?.ended ?? [])]
    .filter(({ config, id }) => has(config) || id.startsWith(words))
    .slice(0, MOST)
    .map(({ config, revision, status, id }) => ({
      value: `${config} r${revision} ${status} (${id.slice(-6)})`,
      go: () => void navigate({ to: '/rollouts/$id', params: { id } }),
    }));
  return [...configs, ...rollouts];
};

/** From any page to a config, to a rollout that moves, or to what the history says of some words. */
export const Search = ({ input }: { readonly input: RefObject<HTMLInputElement | null> }): JSX.Element => {
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(-1);
  const [isIn, setIn] = useState(false);
  const navigate = useNavigate();
  const board = useBoard().data;
  const words = text.trim().toLowerCase();
  const all = foundIn(board, words, navigate);
  const isOpen = isIn && words !== '' && all.length > 0;
  const leave = (): void => {
    setText('');
    input.current?.blur();
  };
  const take = (index: number): void => {
    const found = all[index];
    if (found) found.go();
    else if (words !== '') void navigate({ to: '/history', search: { q: text.trim() } });
    if (found || words !== '') leave();
  };
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => setChosen(Math.min(all.length - 1, chosen + 1)),
    ArrowUp: () => setChosen(Math.max(-1, chosen - 1)),
    Enter: () => take(chosen),
    Escape: leave,
  };
  return (
    <div className="search" onFocus={() => setIn(true)} onBlur={() => setIn(false)}>
      <TextInput
        ref={input}
        size="sm"
        role="combobox"
        aria-label="Search configs, rollouts and history"
        aria-expanded={isOpen}
        aria-controls={isOpen ? LIST : undefined}
        aria-autocomplete="list"
        aria-activedescendant={isOpen && chosen >= 0 ? `${LIST}-${chosen}` : undefined}
        autoComplete="off"
        placeholder="Search  /"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setChosen(-1);
        }}
        onKeyDown={(event) => {
          const act = keys[event.key];
          if (!act) return;
          event.preventDefault();
          act();
        }}
      />
      {isOpen ? <FoundList all={all} chosen={chosen} onTake={take} /> : null}
    </div>
  );
};

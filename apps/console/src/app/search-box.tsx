import { Autocomplete } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState, type JSX, type RefObject } from 'react';
import { useBoard } from '../api/queries.js';

const MOST = 6;

type Found = { readonly value: string; readonly go: () => void };

/** From any page to a config, to a rollout that moves, or to what the history says of some words. */
export const Search = ({ input }: { readonly input: RefObject<HTMLInputElement | null> }): JSX.Element => {
  const [text, setText] = useState('');
  const navigate = useNavigate();
  const board = useBoard().data;
  const words = text.trim().toLowerCase();
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
  const all = [...configs, ...rollouts];
  const leave = (): void => {
    setText('');
    input.current?.blur();
  };
  return (
    <Autocomplete
      ref={input}
      className="search"
      size="sm"
      aria-label="Search configs, rollouts and history"
      placeholder="Search  /"
      value={text}
      onChange={setText}
      filter={({ options }) => options}
      data={[
        ...(configs.length > 0 ? [{ group: 'Configs', items: configs.map(({ value }) => value) }] : []),
        ...(rollouts.length > 0 ? [{ group: 'Rollouts', items: rollouts.map(({ value }) => value) }] : []),
      ]}
      onOptionSubmit={(value) => {
        all.find((each) => each.value === value)?.go();
        setTimeout(leave);
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') return leave();
        if (event.key !== 'Enter' || words === '' || event.currentTarget.getAttribute('aria-activedescendant'))
          return undefined;
        void navigate({ to: '/history', search: { q: text.trim() } });
        return leave();
      }}
      comboboxProps={{ width: 340, position: 'bottom-end' }}
    />
  );
};

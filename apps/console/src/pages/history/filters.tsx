import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useEffect, useState, type JSX } from 'react';
import { EVENT_TYPES } from '#libs/contracts';
import { useBoard } from '../../api/queries.js';
import type { HistorySearch } from '../../app/search.js';
import { showType } from '../../words/format.js';

type Props = { readonly search: HistorySearch; readonly onChange: (search: HistorySearch) => void };

/** What the log is asked most often. */
const QUESTIONS: readonly (readonly [words: string, type: string])[] = [
  [
    'what people decided',
    'RolloutStarted,RolloutHeld,RolloutResumed,BakeSkipped,RevisionProposed,TokenIssued,TokenRevoked',
  ],
  ['what went wrong', 'DegradationDetected,RollbackStarted,RolledBack,ExposureFailed,EvidenceMissing'],
  ['how rollouts ended', 'RolloutSettled,RolledBack,RolloutSuperseded'],
];

const TYPES = [
  { group: 'Questions', items: QUESTIONS.map(([label, value]) => ({ label, value })) },
  { group: 'Single events', items: EVENT_TYPES.map((type) => ({ label: showType(type), value: type })) },
];

const KNOWN = new Set(TYPES.flatMap(({ items }) => items.map(({ value }) => value)));

/** A field whose words take effect when it is left or Enter is pressed. */
const Words = ({
  label,
  value,
  placeholder,
  onDone,
}: {
  readonly label: string;
  readonly value: string | undefined;
  readonly placeholder?: string;
  readonly onDone: (value: string | undefined) => void;
}): JSX.Element => {
  const [text, setText] = useState(value ?? '');
  useEffect(() => setText(value ?? ''), [value]);
  const done = (): void => {
    const next = text.trim() === '' ? undefined : text.trim();
    if (next !== value) onDone(next);
  };
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={done}
      onKeyDown={(event) => {
        if (event.key === 'Enter') done();
      }}
    />
  );
};

type ChoiceProps = {
  readonly label: string;
  readonly names: readonly string[];
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
};

/** One of the names that there are, or of one that was and is asked for. */
const Choice = ({ label, names, value, onChange }: ChoiceProps): JSX.Element => (
  <NativeSelect
    label={label}
    data={[{ label: 'any', value: '' }, ...new Set([...names, ...(value === undefined ? [] : [value])])]}
    value={value ?? ''}
    onChange={(event) => onChange(event.currentTarget.value || undefined)}
  />
);

const CHIPS = ['rollout', 'correlation', 'event'] as const;

export const Filters = ({ search, onChange }: Props): JSX.Element => {
  const board = useBoard().data;
  const set = (part: HistorySearch): void => onChange({ ...search, ...part });
  const chips = CHIPS.filter((name) => search[name] !== undefined);
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  return (
    <search className="panel section">
      <div className="row filters" style={{ alignItems: 'flex-end' }}>
        <Words label="Words" placeholder="in what, why or who" value={search.q} onDone={(q) => set({ q })} />
        <NativeSelect
          label="What"
          data={[
            { label: 'everything', value: '' },
            ...TYPES,
            ...(search.type === undefined || KNOWN.has(search.type) ? [] : [search.type]),
          ]}
          value={search.type ?? ''}
          onChange={(event) => set({ type: event.currentTarget.value || undefined })}
        />
        <Choice
          label="Config"
          names={board?.configs.map(({ config }) => config) ?? []}
          value={search.config}
          onChange={(config) => set({ config })}
        />
        <Choice
          label="Target"
          names={board?.targets.map(({ target }) => target) ?? []}
          value={search.target}
          onChange={(target) => set({ target })}
        />
        <Words label="Who" placeholder="name as recorded" value={search.actor} onDone={(actor) => set({ actor })} />
        <TextInput
          type="date"
          label="From"
          value={search.since ?? ''}
          onChange={(event) => set({ since: event.currentTarget.value || undefined })}
        />
        <TextInput
          type="date"
          label="To"
          value={search.until ?? ''}
          onChange={(event) => set({ until: event.currentTarget.value || undefined })}
        />
      </div>
      {isFiltered ? (
        <div className="row small">
          {chips.map((name) => (
            <span key={name} className="mark pill calm" title={search[name]}>
              {name} …{search[name]?.slice(-6)}
              <button
                type="button"
                aria-label={`Without ${name}`}
                onClick={() => set({ [name]: undefined })}
                style={{ border: 0, background: 'none', color: 'inherit' }}
              >
                ×
              </button>
            </span>
          ))}
          <Button size="compact-sm" variant="subtle" onClick={() => onChange({})}>
            Show everything
          </Button>
        </div>
      ) : null}
    </search>
  );
};

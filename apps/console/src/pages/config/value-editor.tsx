import { Checkbox, JsonInput, NativeSelect, SegmentedControl, TextInput } from '@mantine/core';
import { useState, type JSX } from 'react';
import { fieldsOf, numberOf, withField, type Field } from '../../words/form.js';

type Value = Readonly<Record<string, unknown>>;

type Props = {
  readonly schema: unknown;
  readonly value: Value;
  /** Pointer → what is wrong with it. */
  readonly faults: Readonly<Record<string, string>>;
  readonly onChange: (value: Value | undefined) => void;
};

const textOf = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

const FieldInput = ({
  field,
  value,
  fault,
  onChange,
}: {
  readonly field: Field;
  readonly value: unknown;
  readonly fault: string | undefined;
  readonly onChange: (value: unknown) => void;
}): JSX.Element => {
  const common = { label: field.title, description: field.help || undefined, error: fault, required: field.isRequired };
  switch (field.kind) {
    case 'boolean':
      return (
        <Checkbox
          label={field.title}
          description={
            [field.help, value === undefined ? 'not set' : ''].filter((part) => part !== '').join('; ') || undefined
          }
          error={fault}
          checked={value === true}
          indeterminate={value === undefined}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case 'choice':
      return (
        <NativeSelect
          {...common}
          value={field.values.findIndex((each) => JSON.stringify(each) === JSON.stringify(value))}
          data={[
            ...(field.isRequired && value !== undefined ? [] : [{ label: 'not set', value: '-1' }]),
            ...field.values.map((each, index) => ({ label: textOf(each), value: String(index) })),
          ]}
          onChange={(event) => onChange(field.values[Number(event.currentTarget.value)])}
        />
      );
    default:
      return (
        <TextInput
          {...common}
          inputMode={field.kind === 'number' ? 'decimal' : 'text'}
          value={textOf(value)}
          onChange={(event) => {
            const text = event.currentTarget.value;
            onChange(field.kind === 'number' && text !== '' ? numberOf(text) : text);
          }}
        />
      );
  }
};

const parse = (text: string): Value | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Value) : undefined;
  } catch {
    return undefined;
  }
};

/** A value by the fields of its schema, or as JSON: as the form where the schema says enough, and always both ways. */
export const ValueEditor = ({ schema, value, faults, onChange }: Props): JSX.Element => {
  const fields = fieldsOf(schema, value);
  const [way, setWay] = useState(fields ? 'form' : 'json');
  const [text, setText] = useState(() => JSON.stringify(value, null, 2));
  const isForm = way === 'form' && fields !== undefined;
  return (
    <div className="stack">
      {fields === undefined ? null : (
        <SegmentedControl
          aria-label="How to write the value"
          data={[
            { value: 'form', label: 'Form' },
            { value: 'json', label: 'JSON' },
          ]}
          value={isForm ? 'form' : 'json'}
          onChange={(next) => {
            setText(JSON.stringify(value, null, 2));
            setWay(next);
          }}
          style={{ alignSelf: 'flex-start' }}
        />
      )}
      {isForm ? (
        fields.map((field) => (
          <FieldInput
            key={field.name}
            field={field}
            value={value[field.name]}
            fault={faults[`/${field.name}`]}
            onChange={(next) => onChange(withField(value, field.name, next))}
          />
        ))
      ) : (
        <JsonInput
          label="Value"
          description="A JSON object."
          autosize
          minRows={8}
          maxRows={30}
          spellCheck={false}
          value={text}
          error={parse(text) === undefined ? 'This is no JSON object yet.' : undefined}
          onChange={(next) => {
            setText(next);
            onChange(parse(next));
          }}
        />
      )}
    </div>
  );
};

/**
 * Inputs with their labels: native elements, so that keyboard and screen reader work as everywhere.
 *
 * @module
 */

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { NumberRange } from '../shell/url-state.ts';

interface FieldProps<T> {
  readonly label: string;
  readonly value: T;
  readonly onChange: (value: T) => void;
  /** A sentence below it. */
  readonly hint?: string;
}

/** A number, with a slider where `slides`. */
export function NumberField({
  label,
  value,
  onChange,
  hint,
  range,
  step = 1,
  unit = '',
  slides = false,
}: FieldProps<number> & {
  readonly range: NumberRange;
  readonly step?: number | 'any';
  readonly unit?: string;
  readonly slides?: boolean;
}) {
  const id = useId();
  const { least, most } = range;
  const take = (text: string): void => {
    const given = Number(text);
    if (text.trim() !== '' && given >= least && given <= most) onChange(given);
  };
  const common = {
    min: least,
    max: most,
    step,
    'aria-describedby': hint === undefined ? undefined : `${id}-hint`,
  };
  return (
    <div class="field">
      <label for={id}>
        {label}
        {unit === '' ? '' : ` (${unit})`}
      </label>
      <div class="field-row">
        {slides && (
          <input
            type="range"
            value={value}
            aria-label={`${label}, slider`}
            onInput={(event) => take(event.currentTarget.value)}
            {...common}
          />
        )}
        <input
          id={id}
          type="number"
          inputMode="decimal"
          value={value}
          onInput={(event) => take(event.currentTarget.value)}
          {...common}
        />
      </div>
      <Hint id={id} text={hint} />
    </div>
  );
}

/** One of some. */
export function SelectField<T extends string>({
  label,
  value,
  onChange,
  hint,
  options,
}: FieldProps<T> & { readonly options: readonly (readonly [value: T, text: string])[] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => {
          const chosen = options.find(([one]) => one === event.currentTarget.value);
          if (chosen !== undefined) onChange(chosen[0]);
        }}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one} selected={one === value}>
            {text}
          </option>
        ))}
      </select>
      <Hint id={id} text={hint} />
    </div>
  );
}

/** Yes or no. */
export function CheckField({ label, value, onChange, hint }: FieldProps<boolean>) {
  const id = useId();
  return (
    <div class="field check">
      <label for={id}>
        <input
          id={id}
          type="checkbox"
          checked={value}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      <Hint id={id} text={hint} />
    </div>
  );
}

/** One of few, all of them shown. */
export function RadioField<T extends string>({
  label,
  value,
  onChange,
  options,
}: FieldProps<T> & { readonly options: readonly (readonly [value: T, text: string])[] }) {
  const name = useId();
  return (
    <fieldset class="field radios">
      <legend>{label}</legend>
      {options.map(([one, text]) => (
        <label key={one}>
          <input type="radio" name={name} checked={one === value} onChange={() => onChange(one)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** A line of text, or several. */
export function TextField({
  label,
  value,
  onChange,
  hint,
  placeholder,
  type = 'text',
  lines = 1,
  list,
  autocomplete = 'off',
}: FieldProps<string> & {
  readonly placeholder?: string;
  readonly type?: 'text' | 'search' | 'password' | 'url';
  readonly lines?: number;
  /** What has been there before. */
  readonly list?: readonly string[];
  readonly autocomplete?: string;
}) {
  const id = useId();
  const common = {
    ...{ id, value, placeholder, spellcheck: false, autocomplete },
    'aria-describedby': hint === undefined ? undefined : `${id}-hint`,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {lines > 1 ? (
        <textarea rows={lines} {...common} onInput={(event) => onChange(event.currentTarget.value)} />
      ) : list === undefined ? (
        // The types of Preact want each type of input by itself; they do not differ in what is used here.
        <input {...common} type={type as 'text'} onInput={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <input
          {...common}
          type="text"
          list={`${id}-list`}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
      {list !== undefined && (
        <datalist id={`${id}-list`}>
          {list.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      <Hint id={id} text={hint} />
    </div>
  );
}

/** Inputs that belong together. */
export function Inputs({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="inputs" aria-label={title}>
      {children}
    </section>
  );
}

function Hint({ id, text }: { readonly id: string; readonly text: string | undefined }) {
  return text === undefined ? null : (
    <p class="hint" id={`${id}-hint`}>
      {text}
    </p>
  );
}

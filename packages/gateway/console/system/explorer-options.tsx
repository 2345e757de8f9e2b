/**
 * An editor of options by name: one line for each, with what is known of the option.
 *
 * @module
 */

import { OptionNumber, optionDefinition } from 'coapsule/message';
import { useId } from 'preact/hooks';
import { words } from '../wording.ts';
import { optionRows, optionText } from './explorer-input.ts';

const text = words.explorer;

const known = Object.values(OptionNumber).flatMap((number) => optionDefinition(number) ?? []);

/** @param value As `optionRows` reads it. */
export function OptionsEditor({
  value,
  onChange,
}: {
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  const id = useId();
  const rows = optionRows(value);
  const change = (at: number, part: Partial<(typeof rows)[number]>): void =>
    onChange(optionText(rows.map((row, index) => (index === at ? { ...row, ...part } : row))));
  return (
    <fieldset class="field options">
      <legend>{text.options}</legend>
      {rows.map(({ name, value: given }, index) => (
        <div key={index} class="option-row">
          <input
            type="text"
            list={`${id}-names`}
            aria-label={text.optionName(index + 1)}
            value={name}
            spellcheck={false}
            onInput={(event) => change(index, { name: event.currentTarget.value })}
          />
          <input
            type="text"
            aria-label={text.optionValue(index + 1)}
            value={given}
            spellcheck={false}
            placeholder={formatOf(name)}
            onInput={(event) => change(index, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            aria-label={text.optionRemove(index + 1)}
            onClick={() => onChange(optionText(rows.filter((_, at) => at !== index)))}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" onClick={() => onChange(optionText([...rows, { name: '', value: '' }]))}>
        {text.optionAdd}
      </button>
      <p class="hint">{text.optionsHint}</p>
      <datalist id={`${id}-names`}>
        {known.map(({ name, number }) => (
          <option key={number} value={name} label={`${number}`} />
        ))}
      </datalist>
    </fieldset>
  );
}

/** What goes into the value. */
function formatOf(name: string): string {
  const found = known.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) return '';
  return /^Block\d$/.test(found.name) ? text.optionBlock : text.optionFormats[found.format];
}

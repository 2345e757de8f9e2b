/**
 * A text that is typed in, or read from a file, such as a key in PEM. The file goes nowhere.
 *
 * @module
 */

import { TextField } from '../parts/fields.tsx';
import { words } from '../wording.ts';

/** The field, and a button for a file. */
export function TextFileField({
  label,
  value,
  onChange,
  hint,
  lines = 4,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: string;
  readonly lines?: number;
}) {
  return (
    <>
      <TextField
        label={label}
        lines={lines}
        value={value}
        onChange={onChange}
        {...(hint !== undefined && { hint })}
      />
      <div class="field beside">
        <input
          type="file"
          aria-label={words.fromFile(label)}
          onChange={async (event) => {
            const [picked] = event.currentTarget.files ?? [];
            // What is larger is no key, certificate, context or collection.
            if (picked !== undefined && picked.size <= 256 * 1024) onChange(await picked.text());
          }}
        />
      </div>
    </>
  );
}

/**
 * What goes with a request: a payload in one of several notations, with what is wrong with it and how long it is; or a file.
 *
 * @module
 */

import { SelectField, TextField } from '../parts/fields.tsx';
import { toHex } from '../parts/hex-text.ts';
import { words } from '../wording.ts';
import { formatOfNotation, payloadHex, payloadNotations } from './explorer-input.ts';
import type { ExplorerState } from './explorer-request.ts';

const text = words.explorer;

/** A file to be sent as it is. */
export interface PayloadFile {
  readonly name: string;
  readonly hex: string;
}

/** The limit of the gateway. */
const mostBytes = 1024 * 1024;

const formats = [
  ...['text/plain', 'application/json', 'application/cbor', 'application/senml+json'],
  ...['application/senml+cbor', 'application/link-format', 'application/octet-stream', 'application/xml'],
];

/** Payload and Content-Format. */
export function PayloadFields({
  state,
  set,
  file,
  onFile,
}: {
  readonly state: ExplorerState;
  readonly set: (change: Partial<ExplorerState>) => void;
  readonly file: PayloadFile | undefined;
  readonly onFile: (file: PayloadFile | undefined) => void;
}) {
  const written = payloadHex(state.payload, state.notation);
  return (
    <>
      <TextField
        label={text.payload}
        lines={4}
        value={state.payload}
        hint={
          state.payload === ''
            ? text.noPayload
            : 'fault' in written
              ? written.fault
              : text.payloadLength(written.value.length / 2)
        }
        onChange={(payload) => set({ payload })}
      />
      <SelectField
        label={text.notation}
        value={state.notation}
        options={payloadNotations.map((one) => [one, text.notations[one]] as const)}
        onChange={(notation) => set({ notation, format: formatOfNotation[notation] ?? '' })}
      />
      <FilePicker file={file} onFile={onFile} />
      <FormatField label={text.contentFormat} value={state.format} onChange={(format) => set({ format })} />
    </>
  );
}

/** A Content-Format by name or number. */
export function FormatField({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  return <TextField label={label} value={value} list={formats} onChange={onChange} />;
}

function FilePicker({
  file,
  onFile,
}: {
  readonly file: PayloadFile | undefined;
  readonly onFile: (file: PayloadFile | undefined) => void;
}) {
  return (
    <div class="field">
      <label>
        {text.file}
        <input
          type="file"
          onChange={async (event) => {
            const [picked] = event.currentTarget.files ?? [];
            const bytes = await picked?.slice(0, mostBytes + 1).arrayBuffer();
            onFile(picked && bytes && { name: picked.name, hex: toHex(new Uint8Array(bytes)) });
          }}
        />
      </label>
      {file !== undefined && (
        <>
          <p class="hint">
            {file.hex.length / 2 > mostBytes ? text.fileTooLarge : text.payloadLength(file.hex.length / 2)}
          </p>
          <button type="button" onClick={() => onFile(undefined)}>
            {text.noFile(file.name)}
          </button>
        </>
      )}
    </div>
  );
}

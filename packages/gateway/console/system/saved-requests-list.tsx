/**
 * Requests with a name: kept, called up, and forgotten; and the addresses that were asked.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { TextField } from '../parts/fields.tsx';
import { shown } from '../parts/shown.ts';
import { base, place } from '../shell/location.ts';
import { words } from '../wording.ts';
import { forgetRequest, savedRequests, saveRequest } from './saved-requests.ts';

const text = words.explorer;

/** Without keys: those are in no address. */
export function SavedRequests({ onForgetAddresses }: { readonly onForgetAddresses: () => void }) {
  const name = useSignal('');
  const saved = useSignal(savedRequests());
  return (
    <details>
      <summary>{text.saved(saved.value.length)}</summary>
      <div class="button-row">
        <TextField
          label={text.saveName}
          value={name.value}
          onChange={(value) => {
            name.value = value;
          }}
        />
        <button
          type="button"
          disabled={name.value.trim() === ''}
          onClick={() => {
            saved.value = saveRequest({ name: name.value.trim(), search: place.peek().search });
            name.value = '';
          }}
        >
          {text.saveNow}
        </button>
        <button type="button" onClick={onForgetAddresses}>
          {text.forgetAddresses}
        </button>
      </div>
      <p class="hint">{text.savedHint}</p>
      <ul class="plain-list">
        {saved.value.map((one) => (
          <li key={one.name}>
            <a href={`${base}explorer${one.search}`}>{shown(one.name)}</a>{' '}
            <button
              type="button"
              aria-label={text.forgetSaved(one.name)}
              onClick={() => {
                saved.value = forgetRequest(one.name);
              }}
            >
              ✕
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

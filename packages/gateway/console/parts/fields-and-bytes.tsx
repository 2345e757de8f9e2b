/**
 * What bytes mean: a tree of fields beside the bytes; what the pointer or the focus is on in one lights up in the other.
 *
 * @module
 */

import { type Signal, useSignal } from '@preact/signals';
import type { FieldView } from '../../src/console/api-types.ts';
import { words } from '../wording.ts';
import { fromHex } from './hex-text.ts';
import { shown } from './shown.ts';

interface Lit {
  readonly start: number;
  readonly end: number;
}

/** Both, linked. */
export function FieldsAndBytes({
  bytesHex,
  fields,
}: {
  readonly bytesHex: string;
  readonly fields: readonly FieldView[];
}) {
  const lit = useSignal<Lit>({ start: 0, end: 0 });
  const bytes = fromHex(bytesHex) ?? new Uint8Array();
  return (
    <div class="panes">
      <div>
        <h3>{words.bytes.fields}</h3>
        <FieldList fields={fields} lit={lit} />
      </div>
      <div>
        <h3>{words.bytes.bytes(bytes.length)}</h3>
        <ByteDump bytes={bytes} lit={lit} fields={fields} />
      </div>
    </div>
  );
}

function FieldList({ fields, lit }: { readonly fields: readonly FieldView[]; readonly lit: Signal<Lit> }) {
  return (
    <ul class="tree fields">
      {fields.map(({ name, value, start, end, problem, fields: inner = [] }) => {
        const light = (): void => {
          lit.value = { start, end };
        };
        const isLit = end > start && lit.value.start === start && lit.value.end === end;
        return (
          <li key={`${start} ${end} ${name}`}>
            <button type="button" class={isLit ? 'bare lit' : 'bare'} onMouseEnter={light} onFocus={light}>
              <strong>{shown(name)}</strong> {shown(value)}
            </button>
            {problem !== undefined && <span class="chip bad">{problem}</span>}
            {inner.length > 0 && <FieldList fields={inner} lit={lit} />}
          </li>
        );
      })}
    </ul>
  );
}

/** Sixteen in a row, with their places and their letters. */
function ByteDump({
  bytes,
  lit,
  fields,
}: {
  readonly bytes: Uint8Array;
  readonly lit: Signal<Lit>;
  readonly fields: readonly FieldView[];
}) {
  const { start, end } = lit.value;
  // A body of a mebibyte would be a page of a million pieces.
  const shown = bytes.subarray(0, longestDump);
  const rows = Array.from({ length: Math.ceil(shown.length / 16) }, (_, row) => 16 * row);
  const over = (event: Event): void => {
    const at =
      event.target instanceof HTMLElement ? Number(event.target.dataset['at'] ?? Number.NaN) : Number.NaN;
    const found = Number.isNaN(at) ? undefined : smallestAt(fields, at);
    if (found !== undefined) lit.value = { start: found.start, end: found.end };
  };
  return (
    // biome-ignore lint/a11y/useKeyWithMouseEvents: the fields beside it do the same for who has no mouse.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the arrow keys.
    <section class="dump" tabIndex={0} aria-label={words.bytes.bytes(bytes.length)} onMouseOver={over}>
      {rows.map((row) => (
        <div key={row}>
          <span class="place">{row.toString(16).padStart(4, '0')}</span>
          {Array.from(shown.subarray(row, row + 16), (byte, index) => (
            <span
              key={row + index}
              data-at={row + index}
              class={row + index >= start && row + index < end ? 'byte lit' : 'byte'}
            >
              {byte.toString(16).padStart(2, '0')}
            </span>
          ))}
          <span class="letters">
            {Array.from(shown.subarray(row, row + 16), (byte) =>
              byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·',
            ).join('')}
          </span>
        </div>
      ))}
      {bytes.length > longestDump && <p>{words.bytes.cut(longestDump)}</p>}
    </section>
  );
}

const longestDump = 2048;

function smallestAt(fields: readonly FieldView[], at: number): FieldView | undefined {
  const here = fields.find(({ start, end }) => at >= start && at < end);
  return here && (smallestAt(here.fields ?? [], at) ?? here);
}

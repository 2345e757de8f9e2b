/**
 * The palette: Ctrl-K, a few letters, Enter. It finds views and the few actions that are everywhere.
 *
 * A combobox with a list (ARIA 1.2): the focus stays in the input, arrow keys move the choice.
 *
 * @module
 */

import { signal, useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { words } from '../wording.ts';
import { matches } from './find.ts';
import { go } from './location.ts';
import { nextTheme } from './theme.ts';
import { views } from './views.ts';

interface Entry {
  readonly title: string;
  readonly about: string;
  readonly run: () => void;
}

const entries: readonly Entry[] = [
  ...views.map(({ title, about, path }) => ({ title, about, run: () => go(path) })),
  { title: words.palette.theme, about: words.palette.themeAbout, run: nextTheme },
];

const isOpen = signal(false);

/** Shows it. */
export function openPalette(): void {
  isOpen.value = true;
}

/** Opens with Ctrl-K, or Cmd-K, wherever the focus is. */
export function listenForPalette(): void {
  addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    event.preventDefault();
    isOpen.value = !isOpen.value;
  });
}

/** The dialog. */
export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const search = useSignal('');
  const chosen = useSignal(0);
  const open = isOpen.value;
  // Before the next key comes: whoever types on at once loses no letter.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (open && element?.open === false) {
      search.value = '';
      chosen.value = 0;
      element.showModal();
    } else if (!open && element?.open === true) element.close();
  }, [open, search, chosen]);
  const found = entries.filter(({ title, about }) => matches(`${title} ${about}`, search.value));
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    isOpen.value = false;
    entry.run();
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      chosen.value = (chosen.value + step + found.length) % found.length;
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      run(found[chosen.value]);
    }
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label={words.palette.title}
      // `close` comes a while after: Ctrl-K in between opens it anew.
      onCancel={() => {
        isOpen.value = false;
      }}
      onClose={({ currentTarget }) => {
        if (!currentTarget.open) isOpen.value = false;
      }}
    >
      <input
        type="text"
        role="combobox"
        aria-label={words.palette.input}
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={found.length === 0 ? undefined : `palette-${chosen.value}`}
        placeholder={words.palette.input}
        value={search.value}
        onKeyDown={onKey}
        onInput={(event) => {
          search.value = event.currentTarget.value;
          chosen.value = 0;
        }}
      />
      <div id="palette-list" role="listbox" aria-label={words.palette.title}>
        {found.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys go to the input above.
          <div
            key={entry.title}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen.value}
            onClick={() => run(entry)}
          >
            <strong>{entry.title}</strong> <span>{entry.about}</span>
          </div>
        ))}
      </div>
      <p role="status" class="hint">
        {found.length === 0 ? words.palette.nothing : words.palette.found(found.length)}
      </p>
    </dialog>
  );
}

/**
 * The address of the browser as a signal, and the ways to change it. Every view has an address below `/console/`.
 *
 * @module
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import { formatState, parseState, type Schema, type StateOf } from './url-state.ts';

/** Where all views are. */
export const base = '/console/';

/** An address, without what belongs to the server. */
export interface Place {
  /** Below `base`, without slashes at its ends: `learn/handshake`. */
  readonly view: string;
  /** With its question mark, or empty. */
  readonly search: string;
}

const current = signal<Place>(here());

/** Where the browser is. */
export const place: ReadonlySignal<Place> = current;

/** Goes to a view, as a link does. */
export function go(view: string, search = ''): void {
  history.pushState(null, '', `${base}${view}${search}`);
  current.value = here();
}

/** Follows links to views without loading the page anew, and the browser's own buttons. */
export function followLinks(): void {
  addEventListener('popstate', () => {
    current.value = here();
  });
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (link === null || !isPlain || link.target !== '' || link.hasAttribute('download')) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(base)) return;
    // A part of this page, such as the main content: the browser goes there itself.
    if (link.hash !== '' && link.pathname === location.pathname) return;
    event.preventDefault();
    go(link.pathname.slice(base.length).replace(/\/$/, ''), link.search);
  });
}

/**
 * The state of a view, and how it is changed. A change stays in this entry of the history: going back leaves the view.
 *
 * Reads a signal: the component that calls it is drawn anew when the address changes.
 */
export function urlState<S extends Schema>(schema: S): [StateOf<S>, (change: Partial<StateOf<S>>) => void] {
  const { view, search } = current.value;
  const state = parseState(schema, new URLSearchParams(search));
  return [
    state,
    (change) => {
      // What was set meanwhile counts, even if this component was not drawn since.
      const latest = parseState(schema, new URLSearchParams(current.peek().search));
      history.replaceState(null, '', `${base}${view}${formatState(schema, { ...latest, ...change })}`);
      current.value = here();
    },
  ];
}

function here(): Place {
  const { pathname, search } = location;
  const view = pathname.startsWith(base) ? pathname.slice(base.length).replace(/\/$/, '') : '';
  return { view, search };
}

/**
 * Light or dark: what the system says, unless somebody has chosen. The choice stays in this browser.
 *
 * @module
 */

import { effect, signal } from '@preact/signals';

/** What can be chosen. */
export type Theme = 'system' | 'light' | 'dark';

const key = 'coapsule.theme';

/** What is chosen. */
export const theme = signal<Theme>(remembered());

/** Applies the choice from now on. */
export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value;
    try {
      localStorage.setItem(key, theme.value);
    } catch {
      // A browser that keeps nothing forgets this too.
    }
  });
}

/** The next one, in turn. */
export function nextTheme(): void {
  theme.value = theme.value === 'system' ? 'light' : theme.value === 'light' ? 'dark' : 'system';
}

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(key);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch {
    return 'system';
  }
}

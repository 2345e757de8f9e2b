/**
 * Text of devices and peers as it is shown: what does not print, and what turns the reading direction round, is written as `\u{…}`, so
 * that no name looks like another one. As on the command line. Pure functions.
 *
 * @module
 */

import type { ComponentChildren } from 'preact';
import { printable } from '../../src/text/printable.ts';

/** A name, in one line. */
export function shown(text: string): string {
  return printable(text, longest);
}

/** The same for what a component has inside, where that is text. */
export function shownInside(children: ComponentChildren): ComponentChildren {
  if (typeof children === 'string') return shown(children);
  return Array.isArray(children) ? children.map(shownInside) : children;
}

/** A payload, with its lines and tabs. */
export function shownLines(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/\r$/, '')
        .split('\t')
        .map((part) => printable(part, Number.POSITIVE_INFINITY))
        .join('\t'),
    )
    .join('\n');
}

const longest = 2000;

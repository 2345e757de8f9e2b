/**
 * What a peer wrote, for a sentence that people read: nobody can forge a line of a log, or move the cursor, by a name.
 *
 * @module
 */

/** Control, format, line and paragraph separators, lone surrogates, what is not assigned. */
const invisible = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The text in one line, with `?` for what does not print, cut after so many characters. */
export function peerText(text: string, maxLength = 100): string {
  // Cut first: the text may be long, and one character stays one.
  const shown = text.slice(0, maxLength).replace(invisible, '?');
  return text.length > maxLength ? `${shown}…` : shown;
}

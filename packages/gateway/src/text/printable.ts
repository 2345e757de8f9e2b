/**
 * Text of others made safe to print: nobody can forge a line, move the cursor or turn the reading direction round.
 *
 * Everything that a peer wrote and a person reads on a terminal or in a log goes through here. Payloads that were
 * asked for go to standard output as they are.
 */

/** Longest text of a peer in one line. */
const maxPeerText = 256;

/** Control (C0, DEL, C1), format (bidirectional, zero width), line and paragraph separators, lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text in one line, with what does not print written as `\u{…}`.
 *
 * @param maxLength cut after so many characters.
 */
export function printable(text: string, maxLength: number = maxPeerText): string {
  const escaped = text.replace(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  );
  return escaped.length > maxLength ? `${escaped.slice(0, maxLength)}…` : escaped;
}

/** The same for bytes in UTF-8; nothing for other bytes. */
export function printableUtf8(bytes: Uint8Array, maxLength?: number): string | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  return printable(text, maxLength);
}

/** JSON in one line that holds nothing unprintable: what JSON itself lets stand is escaped too. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(unprintable, (character) =>
    // By UTF-16 unit, as JSON has it (RFC 8259 §7). Such characters stand inside of strings only.
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

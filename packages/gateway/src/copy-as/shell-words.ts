/**
 * Words and bytes in a POSIX shell, quoted so that the program gets what is meant and nothing is run.
 *
 * @module
 */

/** What does not print: pasted into a terminal it could end the quotes, or a line. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** One word. */
export function shellWord(text: string): string {
  if (unprintable.test(text)) return `"$(${printfOf(new TextEncoder().encode(text))})"`;
  if (/^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('=')) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `printf '…'` that writes bytes. */
export function printfOf(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte, index) => {
    const character = String.fromCharCode(byte);
    // What a format or the quotes would take for something else is written in octal digits; so is a "-" that would begin an option.
    const isOption = index === 0 && character === '-';
    return !isOption && /[A-Za-z0-9 _.,:;/=+{}()[\]"-]/.test(character)
      ? character
      : `\\${byte.toString(8).padStart(3, '0')}`;
  }).join('');
  return `printf '${text}'`;
}

/** The text of bytes that are nothing but printable UTF-8. */
export function plainText(bytes: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  return unprintable.test(text) ? undefined : text;
}

/** Lower-case hexadecimal digits. */
export function hexDigits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Names of files in messages.
 */
import { printable } from './printable.ts';

/** Hexadecimal digits of 16 bytes and more, or 32 bytes in base64. */
const keyLike = /^(0x)?[0-9a-f]{32,}$|^[\w+/-]{43}=$/i;

/** The path; a key that was given in its place is not repeated. */
export function shownPath(path: string): string {
  return keyLike.test(path) ? 'a file of the name that was given (it looks like a key)' : printable(path);
}

/** What the system says of a file, without its name: `ENOENT: no such file or directory`. */
export function systemReason(error: unknown): string {
  return (error as Error).message.split(', ', 1)[0]!;
}

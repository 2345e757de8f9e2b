/**
 * The WebAssembly module of SHA-256, compiled: its functions, its memory, and where things are in it.
 *
 * @module
 */

import { instantiate, placesOf } from '../web-assembly.ts';
import { moduleBytes } from './module-bytes.ts';

/** `assembly/sha-256.as.ts` says what each does. */
interface Functions {
  readonly begin: () => void;
  readonly absorb: (length: number) => void;
  readonly finish: (length: number, total: number) => void;
  readonly expandHmacKey: () => void;
  readonly hmac: (length: number) => void;
  readonly finishHmac: () => void;
}

const places = ['stateAt', 'keyAt', 'digestAt', 'messageAt', 'messageCapacity'] as const;

export interface Sha256Module extends Functions, Readonly<Record<(typeof places)[number], number>> {
  /** All of it, 64 KiB; it never grows. */
  readonly memory: Uint8Array;
}

/**
 * Compiles the module into an instance of its own.
 *
 * @throws Error when this Node has no WebAssembly.
 */
export function instantiateSha256(): Sha256Module {
  const exports = instantiate<Functions, (typeof places)[number]>(moduleBytes);
  const { begin, absorb, finish, expandHmacKey, hmac, finishHmac, memory } = exports;
  return {
    begin,
    absorb,
    finish,
    expandHmacKey,
    hmac,
    finishHmac,
    memory: new Uint8Array(memory.buffer),
    ...placesOf(exports, places),
  };
}

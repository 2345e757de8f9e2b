/**
 * The WebAssembly module of AES-CCM, compiled: its functions, its memory, and where things are in it.
 *
 * @module
 */

import { instantiate, placesOf } from '../web-assembly.ts';
import { KeySlots } from './key-slots.ts';
import { moduleBytes } from './module-bytes.ts';

/** What works on a record; `assembly/aes-ccm.as.ts` says how. */
type RecordFunction<Result> = (
  keysAt: number,
  lastKeyAt: number,
  nonceLength: number,
  additionalDataLength: number,
  length: number,
  tagLength: number,
) => Result;

/** Offsets in the memory and lengths, in bytes, that the module names. */
const places = [
  'nonceAt',
  'keyAt',
  'additionalDataAt',
  'additionalDataCapacity',
  'payloadAt',
  'payloadCapacity',
  'slotsAt',
  'slotLength',
] as const;

interface Functions {
  readonly expandKey128: (slotAt: number) => void;
  readonly expandKey256: (slotAt: number) => void;
  readonly seal: RecordFunction<void>;
  readonly open: RecordFunction<number>;
}

/** The module, and what is kept beside it. */
export interface AesCcmModule extends Functions, Readonly<Record<(typeof places)[number], number>> {
  /** All of it; it never grows. */
  readonly memory: Uint8Array;
  /** The same, for numbers. */
  readonly view: DataView;
  readonly slots: KeySlots;
}

/**
 * Compiles the module into an instance of its own: 1.2 MB of addresses, of which only what is used takes memory.
 *
 * @throws Error when this Node has no WebAssembly with SIMD.
 */
export function instantiateAesCcm(): AesCcmModule {
  const exports = instantiate<Functions, (typeof places)[number]>(moduleBytes);
  const { expandKey128, expandKey256, seal, open, memory } = exports;
  const { buffer } = memory;
  const at = placesOf(exports, places);
  return {
    expandKey128,
    expandKey256,
    seal,
    open,
    memory: new Uint8Array(buffer),
    view: new DataView(buffer),
    slots: new KeySlots(Math.floor((buffer.byteLength - at.slotsAt) / at.slotLength)),
    ...at,
  };
}

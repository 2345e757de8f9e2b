/**
 * The byte strings of all associations, in one array: keys, IVs and connection ids of both directions, and the identity of
 * the peer. How long they are is kept with the association in `association-table.ts`.
 *
 * @module
 */

import { ByteArena } from '../foundation/byte-arena.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import type { CipherSuite } from './cipher-suites.ts';
import { createEpochKeys, type EpochKeys } from './record/epoch-keys.ts';

/** Keys of epoch 1 of both directions, with what they were made from. */
export interface KeysOfBytes {
  readonly read: EpochKeys;
  readonly write: EpochKeys;
}

/** Where the bytes of an association are: from `offset` on, in the order of the module comment. */
export interface BytesPlace {
  readonly offset: number;
  readonly suite: CipherSuite;
  readonly ownIdLength: number;
  readonly peerIdLength: number;
  readonly identityLength: number;
}

/** See the module comment. */
export class AssociationBytes {
  readonly #crypto: CryptoProvider;
  readonly #arena = new ByteArena();

  /** @param crypto Makes keys of bytes. */
  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
  }

  /** Keeps a copy of the bytes of an association; returns their offset, a multiple of 8. */
  add({ read, write }: KeysOfBytes, identity: Uint8Array): number {
    return this.#arena.add(
      read.key,
      read.writeIv,
      write.key,
      write.writeIv,
      read.connectionId,
      write.connectionId,
      identity,
    );
  }

  /** The keys, made anew. */
  keys(place: BytesPlace): KeysOfBytes {
    const { suite, ownIdLength, peerIdLength } = place;
    const bytes = this.#arena.slice(place.offset, lengthOfKeys(place));
    let offset = 0;
    const take = (length: number): Uint8Array => {
      offset += length;
      return bytes.subarray(offset - length, offset);
    };
    const [readKey, readIv] = [take(suite.keyLength), take(suite.fixedIvLength)];
    const [writeKey, writeIv] = [take(suite.keyLength), take(suite.fixedIvLength)];
    return {
      read: createEpochKeys(this.#crypto, suite, readKey, readIv, take(ownIdLength)),
      write: createEpochKeys(this.#crypto, suite, writeKey, writeIv, take(peerIdLength)),
    };
  }

  /** A copy of the identity. */
  identity(place: BytesPlace): Uint8Array {
    return this.#arena.slice(place.offset + lengthOfKeys(place), place.identityLength);
  }

  /** The association is over: its bytes are overwritten. */
  remove(place: BytesPlace): void {
    this.#arena.remove(place.offset, lengthOfKeys(place) + place.identityLength);
  }
}

/** Of keys, IVs and connection ids. */
function lengthOfKeys({ suite, ownIdLength, peerIdLength }: BytesPlace): number {
  return 2 * (suite.keyLength + suite.fixedIvLength) + ownIdLength + peerIdLength;
}

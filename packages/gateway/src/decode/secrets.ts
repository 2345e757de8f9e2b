/**
 * What opens captures: lines of a TLS key log, and pre-shared keys.
 *
 * @module
 */

import type { ObserverSecrets } from 'coapsule/dtls';
import { hexBytes, hexText } from '../cli/option-values.ts';

/** A pre-shared key; without an identity it is tried for any. */
export interface KnownKey {
  readonly identity?: Uint8Array;
  readonly key: Uint8Array;
}

/** Secrets by what they are asked by. Lines of a key log may be added as they come. */
export class KnownSecrets implements ObserverSecrets {
  readonly #masterSecrets = new Map<string, Uint8Array>();
  readonly #keys: readonly KnownKey[];

  constructor(keys: readonly KnownKey[] = []) {
    this.#keys = keys;
  }

  /** One line of a key log: `CLIENT_RANDOM`, 64 and 96 hex digits. Others are of TLS 1.3, or comments. */
  addLine(line: string): void {
    const [label, random = '', secret = ''] = line.trim().split(/\s+/);
    const bytes = hexBytes(secret);
    if (label === 'CLIENT_RANDOM' && random.length === 64 && bytes?.length === 48) {
      this.#masterSecrets.set(random.toLowerCase(), bytes);
    }
  }

  masterSecret(clientRandom: Uint8Array): Uint8Array | undefined {
    return this.#masterSecrets.get(hexText(clientRandom));
  }

  presharedKey(identity: Uint8Array): Uint8Array | undefined {
    const name = hexText(identity);
    const own = this.#keys.find((known) => known.identity !== undefined && hexText(known.identity) === name);
    return (own ?? this.#keys.find((known) => known.identity === undefined))?.key;
  }
}

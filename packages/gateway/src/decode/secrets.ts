/**
 * What opens captures: lines of a TLS key log, and pre-shared keys.
 *
 * @module
 */

import type { ObserverSecrets } from 'coapsule/dtls';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexBytes, hexText } from '../text/hex.ts';

/** A pre-shared key; without an identity it is tried for any. */
export interface KnownKey {
  readonly identity?: Uint8Array;
  readonly key: Uint8Array;
}

const trafficLabels: ReadonlySet<string> = new Set([
  'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
  'SERVER_HANDSHAKE_TRAFFIC_SECRET',
  'CLIENT_TRAFFIC_SECRET_0',
  'SERVER_TRAFFIC_SECRET_0',
]);

/** Secrets by what they are asked by. Lines of a key log may be added as they come. */
export class KnownSecrets implements ObserverSecrets {
  readonly #masterSecrets: BoundedMap<string, Uint8Array>;
  /** Of TLS 1.3, by label and random. */
  readonly #trafficSecrets: BoundedMap<string, Uint8Array>;
  readonly #keys: readonly KnownKey[];

  /** @param most Secrets of each kind that are remembered, for who reads lines as they come; all of a file unless it is given. */
  constructor(keys: readonly KnownKey[] = [], most: number = Number.POSITIVE_INFINITY) {
    this.#keys = keys;
    this.#masterSecrets = new BoundedMap(most);
    this.#trafficSecrets = new BoundedMap(most);
  }

  /** One line of a key log: a label, 64 hex digits of the client random, and the secret. Others are comments. */
  addLine(line: string): void {
    const [label, random = '', secret = ''] = line.trim().split(/\s+/);
    const bytes = hexBytes(secret);
    if (label === 'CLIENT_RANDOM' && random.length === 64 && bytes?.length === 48) {
      this.#masterSecrets.set(random.toLowerCase(), bytes);
    } else if (trafficLabels.has(label ?? '') && random.length === 64 && bytes !== undefined) {
      this.#trafficSecrets.set(`${label} ${random.toLowerCase()}`, bytes);
    }
  }

  /** A secret of TLS 1.3 by its label in the key log, such as `CLIENT_TRAFFIC_SECRET_0`. */
  trafficSecret(label: string, clientRandom: Uint8Array): Uint8Array | undefined {
    return this.#trafficSecrets.get(`${label} ${hexText(clientRandom)}`);
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

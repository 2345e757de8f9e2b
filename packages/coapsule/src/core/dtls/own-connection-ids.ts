/**
 * The connection ids that this side gives to peers (RFC 9146 §3): none is given twice at the same time.
 *
 * All have the length the layer was configured with, since a record does not tell it. They are random, behind a prefix
 * where one is set: whoever guesses one learns nothing, and it authenticates nobody.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { AssociationId, DtlsRole } from './dtls-output.ts';

/** Draws before the length counts as used up: only with one byte does it come to that. */
const maxDraws = 64;

/** A device needs none, since its server stays where it is; a server with 8 bytes recognises 2^64 devices. */
const defaultLengths: Readonly<Record<DtlsRole, number>> = { client: 0, server: 8 };

/**
 * Bytes of the connection ids that a layer gives to peers in a role.
 *
 * @returns 0 where records to us are to have none; `'off'` where the extension is not used at all.
 */
export function ownConnectionIdLength(
  config: Pick<CheckedDtlsConfig, 'connectionIdLength'>,
  role: DtlsRole,
): number | 'off' {
  return config.connectionIdLength ?? defaultLengths[role];
}

/** Which association, established or still shaking hands, has which connection id. */
export class OwnConnectionIds {
  readonly #random: RandomSource;
  readonly #prefix: Uint8Array;
  readonly #associations = new Map<string, AssociationId>();
  readonly #keys = new Map<AssociationId, string>();

  /** @param prefix What all that are issued begin with. */
  constructor(random: RandomSource, prefix: Uint8Array = noBytes) {
    this.#random = random;
    this.#prefix = prefix;
  }

  /** A new one for an association; empty, so that its records do without, when too many of that length are in use. */
  issue(association: AssociationId, length: number): Uint8Array {
    if (length === 0) return noBytes;
    for (let draw = 0; draw < maxDraws; draw++) {
      const connectionId = randomBytes(this.#random, length);
      connectionId.set(this.#prefix);
      if (this.claim(association, connectionId)) return connectionId;
    }
    return noBytes;
  }

  /** Takes a given one for an association, in the place of the one it had; false when another association has it. */
  claim(association: AssociationId, connectionId: Uint8Array): boolean {
    const key = keyOf(connectionId);
    const owner = this.#associations.get(key);
    if (owner !== undefined) return owner === association;
    this.release(association);
    if (connectionId.length === 0) return true;
    this.#associations.set(key, association);
    this.#keys.set(association, key);
    return true;
  }

  associationWith(connectionId: Uint8Array): AssociationId | undefined {
    return this.#associations.get(keyOf(connectionId));
  }

  /** The association is over, or never came to be. */
  release(association: AssociationId): void {
    const key = this.#keys.get(association);
    if (key === undefined) return;
    this.#keys.delete(association);
    this.#associations.delete(key);
  }
}

/** Bytes as text of as many characters, which a `Map` can compare. */
function keyOf(connectionId: Uint8Array): string {
  return String.fromCharCode(...connectionId);
}

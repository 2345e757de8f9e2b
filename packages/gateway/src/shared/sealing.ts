/**
 * Values sealed on their way to a place that others can read: AES-256-GCM under a key that all gateways have, and nobody else.
 *
 * Each instance has a key of its own, derived from the shared one with a random salt (HKDF, RFC 5869), and counts its nonces: random
 * nonces under one key would meet after some billions of readings (NIST SP 800-38D §8.3). The name of a value is authenticated with it:
 * a sealed value under another name does not open. Who can write to the place can still bring back an older value of the same name.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { BoundedMap } from '../memory/bounded-map.ts';

/** Bytes of the shared key. */
export const sharedKeyLength = 32;

const version = 1;
const saltLength = 16;
const counterLength = 6;
const tagLength = 16;
const headLength = 1 + saltLength + counterLength;

/** Derived keys of others that are remembered: one for each start of each gateway, of which something opened. */
const mostKeys = 1000;

/** Who has sealed a value, and which of his it was. */
export interface SealedPlace {
  /** Another one for each start of each gateway. */
  readonly sender: string;
  /** Grows with each that he seals. */
  readonly number: number;
}

/** See the module comment. */
export class Sealing {
  readonly #sharedKey: Uint8Array;
  readonly #purpose: string;
  readonly #salt: Buffer = randomBytes(saltLength);
  readonly #ownKey: Buffer;
  readonly #keys = new BoundedMap<string, Buffer>(mostKeys);
  #counter = 0;

  /**
   * @param sharedKey 32 bytes.
   * @param purpose What is sealed for one purpose does not open for another.
   */
  constructor(sharedKey: Uint8Array, purpose = 'coapsule shared values') {
    this.#sharedKey = sharedKey;
    this.#purpose = purpose;
    this.#ownKey = this.#derive(this.#salt);
  }

  /** Base64url. @param name What it is, and of what; not secret. */
  seal(name: string, value: Uint8Array): string {
    return this.sealBytes(name, value).toString('base64url');
  }

  /** The same as bytes. */
  sealBytes(name: string, value: Uint8Array): Buffer {
    const head = Buffer.alloc(headLength);
    head[0] = version;
    head.set(this.#salt, 1);
    head.writeUIntBE(++this.#counter, 1 + saltLength, counterLength);
    const cipher = createCipheriv('aes-256-gcm', this.#ownKey, nonceOf(head));
    cipher.setAAD(Buffer.from(name));
    return Buffer.concat([head, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
  }

  /** Undefined for what was not sealed with this key under this name. */
  open(name: string, sealed: string): Uint8Array | undefined {
    return this.openBytes(name, Buffer.from(sealed, 'base64url'))?.value;
  }

  /** The same of bytes, with who has sealed them. */
  openBytes(
    name: string,
    sealed: Uint8Array,
  ): { readonly value: Uint8Array; readonly place: SealedPlace } | undefined {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    if (bytes.length < headLength + tagLength || bytes[0] !== version) return undefined;
    const salt = bytes.subarray(1, 1 + saltLength);
    const sender = salt.toString('latin1');
    const key = this.#keys.get(sender) ?? this.#derive(salt);
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(bytes));
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(bytes.subarray(-tagLength));
    try {
      const value = Buffer.concat([
        decipher.update(bytes.subarray(headLength, -tagLength)),
        decipher.final(),
      ]);
      // Not before: whoever makes salts up must not crowd out those of gateways.
      this.#keys.set(sender, key);
      return { value, place: { sender, number: bytes.readUIntBE(1 + saltLength, counterLength) } };
    } catch {
      return undefined;
    }
  }

  #derive(salt: Uint8Array): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#sharedKey, salt, this.#purpose, sharedKeyLength));
  }
}

function nonceOf(head: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  head.copy(nonce, 12 - counterLength, 1 + saltLength, headLength);
  return nonce;
}

/**
 * Seals secrets for the disk with AES-256-GCM under a key that is derived from the master key, and opens them.
 *
 * Each SecretBox, so each process that has the store open, seals under a subkey of its own: HKDF-SHA-256 (RFC 5869) of the
 * master key with 16 random bytes as salt. Under it, the nonce counts. So no nonce comes twice under one key, however often
 * associations are written (NIST SP 800-38D §8.2.1), and no bound on their number has to be kept: 2^53 values a subkey, and
 * salts that meet with a probability below 2^-32 after 2^48 openings.
 *
 * Associated data is the place, table, column and row: a value that was moved to another one does not open. An older value of
 * the same place does; see docs/secrets.md. Where keys come from is master-key.ts, what is sealed is store/sealed-columns.ts.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

/** Where a value stands. */
export interface SecretPlace {
  readonly table: string;
  readonly column: string;
  /** The primary key of its row. */
  readonly row: string;
}

/** A master key has so many bytes. */
export const masterKeyBytes = 32;

/** A sealed value: format, salt of the subkey, count, ciphertext, tag. */
const format = 1;
const saltBytes = 16;
const countBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + saltBytes + countBytes;

/** Subkeys of earlier processes that are kept at hand. */
const maxSubkeys = 1000;

/** A value does not open: it was changed, moved, or sealed under another master key. */
export class UnopenedSecret extends Error {
  override readonly name = 'UnopenedSecret';
  readonly place: SecretPlace;

  constructor(place: SecretPlace) {
    super(`the value of ${place.table}.${place.column} in the row ${place.row} does not open`);
    this.place = place;
  }
}

/** See the module comment. */
export class SecretBox {
  /** Tells one master key from another, and nothing about it. */
  readonly keyId: string;
  readonly #master: KeyObject;
  readonly #salt: Uint8Array = randomBytes(saltBytes);
  readonly #own: KeyObject;
  readonly #subkeys = new Map<string, KeyObject>();
  #latestSalt: Uint8Array;
  #latest: KeyObject;
  #count = 0;

  /** @param master 32 bytes; not kept. */
  constructor(master: Uint8Array) {
    this.keyId = createHash('sha256')
      .update('coapsule master key id')
      .update(master)
      .digest('hex')
      .slice(0, 12);
    this.#master = createSecretKey(master);
    this.#own = this.#derive(this.#salt);
    this.#latestSalt = this.#salt;
    this.#latest = this.#own;
  }

  /** A new array, 41 bytes longer than the secret. */
  seal(place: SecretPlace, secret: Uint8Array): Uint8Array {
    const sealed = Buffer.alloc(headBytes + secret.length + tagBytes);
    sealed[0] = format;
    sealed.set(this.#salt, 1);
    sealed.writeBigUInt64BE(BigInt(this.#count++), 1 + saltBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#own, nonceOf(sealed), { authTagLength: tagBytes });
    cipher.setAAD(associatedData(place));
    sealed.set(cipher.update(secret), headBytes);
    cipher.final();
    sealed.set(cipher.getAuthTag(), headBytes + secret.length);
    return sealed;
  }

  /**
   * The secret, in a new array.
   *
   * @throws UnopenedSecret
   */
  open(place: SecretPlace, sealed: Uint8Array): Uint8Array {
    const length = sealed.length - headBytes - tagBytes;
    if (length < 0 || sealed[0] !== format) throw new UnopenedSecret(place);
    const key = this.#subkey(sealed.subarray(1, 1 + saltBytes));
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(sealed), { authTagLength: tagBytes });
    decipher.setAAD(associatedData(place));
    decipher.setAuthTag(sealed.subarray(headBytes + length));
    const { buffer, byteOffset } = decipher.update(sealed.subarray(headBytes, headBytes + length));
    try {
      decipher.final();
    } catch {
      throw new UnopenedSecret(place);
    }
    return new Uint8Array(buffer, byteOffset, length);
  }

  #subkey(salt: Uint8Array): KeyObject {
    // Most values come from the process before.
    if (equalBytes(salt, this.#latestSalt)) return this.#latest;
    const name = Buffer.from(salt.buffer, salt.byteOffset, salt.byteLength).toString('latin1');
    let key = this.#subkeys.get(name);
    if (key === undefined) {
      key = this.#derive(salt);
      if (this.#subkeys.size >= maxSubkeys) this.#subkeys.clear();
      this.#subkeys.set(name, key);
    }
    this.#latestSalt = salt.slice();
    this.#latest = key;
    return key;
  }

  #derive(salt: Uint8Array): KeyObject {
    const subkey = hkdfSync('sha256', this.#master, salt, 'coapsule store value', masterKeyBytes);
    return createSecretKey(new Uint8Array(subkey));
  }
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < saltBytes; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Four zero bytes and the count. */
function nonceOf(sealed: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(nonceBytes);
  nonce.set(sealed.subarray(1 + saltBytes, headBytes), nonceBytes - countBytes);
  return nonce;
}

/** The names of tables and columns hold no line feed. */
function associatedData({ table, column, row }: SecretPlace): Buffer {
  return Buffer.from(`${table}\n${column}\n${row}`);
}

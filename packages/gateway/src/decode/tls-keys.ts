/**
 * Keys of TLS 1.2 and 1.3 connections out of the lines of a key log, or of a pre-shared key, and records opened with them.
 *
 * RFC 5246 §5, §6.3 and RFC 8446 §7.3, §5.2; AEAD suites alone: AES-GCM (RFC 5288), AES-CCM (RFC 6655) and ChaCha20-Poly1305 (RFC 7905).
 * Records of suites with CBC stay closed. Cryptography is that of node:crypto.
 *
 * @module
 */

import { createDecipheriv, createHash, createHmac } from 'node:crypto';

type Hash = 'sha256' | 'sha384';

/** An AEAD as node:crypto calls it. */
interface Aead {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm' | 'aes-256-ccm' | 'chacha20-poly1305';
  readonly keyLength: 16 | 32;
  readonly tagLength: 8 | 16;
}

/** What a suite protects records with. */
export interface TlsSuite extends Aead {
  readonly hash: Hash;
  readonly isTls13: boolean;
}

/** The suite with this number, if its records can be opened. */
export function tlsSuite(id: number): TlsSuite | undefined {
  return suites.get(id);
}

const gcm128: Aead = { cipher: 'aes-128-gcm', keyLength: 16, tagLength: 16 };
const gcm256: Aead = { cipher: 'aes-256-gcm', keyLength: 32, tagLength: 16 };
const ccm128: Aead = { cipher: 'aes-128-ccm', keyLength: 16, tagLength: 16 };
const ccm256: Aead = { cipher: 'aes-256-ccm', keyLength: 32, tagLength: 16 };
const chacha: Aead = { cipher: 'chacha20-poly1305', keyLength: 32, tagLength: 16 };
const short = (aead: Aead): Aead => ({ ...aead, tagLength: 8 });

/** By the registry of TLS cipher suites. */
const suites: ReadonlyMap<number, TlsSuite> = new Map([
  ...rows([0x1301], gcm128, 'sha256', true),
  ...rows([0x1302], gcm256, 'sha384', true),
  ...rows([0x1303], chacha, 'sha256', true),
  ...rows([0x1304], ccm128, 'sha256', true),
  ...rows([0x1305], short(ccm128), 'sha256', true),
  ...rows([0x009c, 0x009e, 0x00a8, 0x00aa, 0xc02b, 0xc02f, 0xd001], gcm128, 'sha256'),
  ...rows([0x009d, 0x009f, 0x00a9, 0x00ab, 0xc02c, 0xc030, 0xd002], gcm256, 'sha384'),
  ...rows([0xc09c, 0xc09e, 0xc0a4, 0xc0a6, 0xc0ac, 0xd005], ccm128, 'sha256'),
  ...rows([0xc09d, 0xc09f, 0xc0a5, 0xc0a7, 0xc0ad], ccm256, 'sha256'),
  ...rows([0xc0a0, 0xc0a2, 0xc0a8, 0xc0aa, 0xc0ae, 0xd003], short(ccm128), 'sha256'),
  ...rows([0xc0a1, 0xc0a3, 0xc0a9, 0xc0ab, 0xc0af], short(ccm256), 'sha256'),
  ...rows([0xcca8, 0xcca9, 0xccaa, 0xccab, 0xccac, 0xccad], chacha, 'sha256'),
]);

function rows(
  ids: readonly number[],
  aead: Aead,
  hash: Hash,
  isTls13 = false,
): readonly (readonly [number, TlsSuite])[] {
  return ids.map((id) => [id, { ...aead, hash, isTls13 }] as const);
}

/** Opens the records of one direction, in their order. */
export interface RecordOpener {
  /** @returns what was protected; in TLS 1.3 with its type and padding behind it. `undefined`: not authentic. */
  open(header: Uint8Array, fragment: Uint8Array): Uint8Array | undefined;
}

/** Both directions of TLS 1.2. */
export function openers12(
  suite: TlsSuite,
  masterSecret: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): { readonly client: RecordOpener; readonly server: RecordOpener } {
  const { keyLength, hash } = suite;
  const ivLength = suite.cipher === 'chacha20-poly1305' ? 12 : 4;
  const seed = Buffer.concat([Buffer.from('key expansion'), serverRandom, clientRandom]);
  const block = expand12(hash, masterSecret, seed, 2 * (keyLength + ivLength));
  const ivs = 2 * keyLength;
  const of = (index: number): RecordOpener =>
    new Opener12(
      suite,
      block.subarray(index * keyLength, (index + 1) * keyLength),
      block.subarray(ivs + index * ivLength, ivs + (index + 1) * ivLength),
    );
  return { client: of(0), server: of(1) };
}

/** Suites whose keys need nothing but the pre-shared key (RFC 4279 §2, RFC 5487, RFC 6655, RFC 7905). */
const plainPsk: ReadonlySet<number> = new Set([0x00a8, 0x00a9, 0xc0a4, 0xc0a5, 0xc0a8, 0xc0a9, 0xccab]);

/** Whether a pre-shared key opens a suite. */
export function isPlainPsk(id: number): boolean {
  return plainPsk.has(id);
}

/**
 * The master secret of TLS 1.2 with nothing but a pre-shared key (RFC 4279 §2).
 *
 * @param seed `session`: all messages up to ClientKeyExchange, where the extended master secret was agreed on (RFC 7627 §4).
 */
export function pskMasterSecret(
  { hash }: TlsSuite,
  key: Uint8Array,
  seed:
    | { readonly session: Uint8Array }
    | { readonly clientRandom: Uint8Array; readonly serverRandom: Uint8Array },
): Uint8Array {
  const length = Buffer.from([key.length >> 8, key.length & 255]);
  const premaster = Buffer.concat([length, new Uint8Array(key.length), length, key]);
  const labelled =
    'session' in seed
      ? [Buffer.from('extended master secret'), createHash(hash).update(seed.session).digest()]
      : [Buffer.from('master secret'), seed.clientRandom, seed.serverRandom];
  return expand12(hash, premaster, Buffer.concat(labelled), 48);
}

/** One direction of TLS 1.3 under one traffic secret. */
export function opener13(suite: TlsSuite, secret: Uint8Array): RecordOpener {
  const key = expandLabel(suite.hash, secret, 'key', suite.keyLength);
  return new Opener13(suite, key, expandLabel(suite.hash, secret, 'iv', 12));
}

/** The secret after a KeyUpdate (RFC 8446 §7.2). */
export function nextSecret({ hash }: TlsSuite, secret: Uint8Array): Uint8Array {
  return expandLabel(hash, secret, 'traffic upd', secret.length);
}

class Opener12 implements RecordOpener {
  readonly #suite: TlsSuite;
  readonly #key: Uint8Array;
  readonly #iv: Uint8Array;
  #sequence = 0n;

  constructor(suite: TlsSuite, key: Uint8Array, iv: Uint8Array) {
    this.#suite = suite;
    this.#key = key;
    this.#iv = iv;
  }

  open(header: Uint8Array, fragment: Uint8Array): Uint8Array | undefined {
    const { tagLength } = this.#suite;
    const isExplicit = this.#iv.length === 4;
    const start = isExplicit ? 8 : 0;
    const length = fragment.length - start - tagLength;
    if (length < 0) return undefined;
    const nonce = isExplicit
      ? Buffer.concat([this.#iv, fragment.subarray(0, 8)])
      : nonceOf(this.#iv, this.#sequence);
    // RFC 5246 §6.2.3.3: number, type, version, length of what is inside.
    const additional = new Uint8Array(13);
    const view = new DataView(additional.buffer);
    view.setBigUint64(0, this.#sequence);
    additional.set(header.subarray(0, 3), 8);
    view.setUint16(11, length);
    const opened = decrypt(this.#suite, this.#key, nonce, additional, fragment.subarray(start));
    if (opened !== undefined) this.#sequence++;
    return opened;
  }
}

class Opener13 implements RecordOpener {
  readonly #suite: TlsSuite;
  readonly #key: Uint8Array;
  readonly #iv: Uint8Array;
  #sequence = 0n;

  constructor(suite: TlsSuite, key: Uint8Array, iv: Uint8Array) {
    this.#suite = suite;
    this.#key = key;
    this.#iv = iv;
  }

  open(header: Uint8Array, fragment: Uint8Array): Uint8Array | undefined {
    if (fragment.length < this.#suite.tagLength) return undefined;
    const nonce = nonceOf(this.#iv, this.#sequence);
    const opened = decrypt(this.#suite, this.#key, nonce, header, fragment);
    if (opened !== undefined) this.#sequence++;
    return opened;
  }
}

/** RFC 8446 §5.3, RFC 7905 §2. */
function nonceOf(iv: Uint8Array, sequence: bigint): Uint8Array {
  const nonce = Uint8Array.from(iv);
  const view = new DataView(nonce.buffer);
  view.setBigUint64(4, view.getBigUint64(4) ^ sequence);
  return nonce;
}

function decrypt(
  { cipher, tagLength }: Aead,
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  protectedBytes: Uint8Array,
): Uint8Array | undefined {
  const text = protectedBytes.subarray(0, protectedBytes.length - tagLength);
  const tag = protectedBytes.subarray(text.length);
  try {
    const authTagLength = { authTagLength: tagLength };
    switch (cipher) {
      case 'aes-128-ccm':
      case 'aes-256-ccm': {
        const decipher = createDecipheriv(cipher, key, nonce, authTagLength);
        decipher.setAuthTag(tag);
        decipher.setAAD(additional, { plaintextLength: text.length });
        const opened = decipher.update(text);
        decipher.final();
        return opened;
      }
      case 'aes-128-gcm':
      case 'aes-256-gcm': {
        const decipher = createDecipheriv(cipher, key, nonce, authTagLength);
        decipher.setAuthTag(tag).setAAD(additional);
        return Buffer.concat([decipher.update(text), decipher.final()]);
      }
      case 'chacha20-poly1305': {
        const decipher = createDecipheriv(cipher, key, nonce, authTagLength);
        decipher.setAuthTag(tag).setAAD(additional, { plaintextLength: text.length });
        return Buffer.concat([decipher.update(text), decipher.final()]);
      }
    }
  } catch {
    return undefined;
  }
}

/** P_hash of RFC 5246 §5. */
function expand12(hash: Hash, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let have = 0;
  for (let a = hmac(hash, secret, seed); have < length; a = hmac(hash, secret, a)) {
    const piece = hmac(hash, secret, Buffer.concat([a, seed]));
    pieces.push(piece);
    have += piece.length;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

/** HKDF-Expand-Label with an empty context (RFC 8446 §7.1). */
function expandLabel(hash: Hash, secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([length >> 8, length & 255, name.length]), name, Buffer.from([0])]);
  const pieces: Uint8Array[] = [];
  let before = new Uint8Array();
  for (let count = 1, have = 0; have < length; count++) {
    before = hmac(hash, secret, Buffer.concat([before, info, Buffer.from([count])]));
    pieces.push(before);
    have += before.length;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

function hmac(hash: Hash, key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHmac(hash, key).update(data).digest());
}

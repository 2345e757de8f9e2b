/**
 * Cryptography as the core sees it: synchronous primitives, injected.
 *
 * Synchronous, because between two awaits the order of datagrams would be lost. Keys are given once and
 * kept inside the returned object, so that a provider can expand them (or wrap them as KeyObjects) once.
 *
 * @module
 */

/** AEAD algorithms by their registered names (RFC 5116, RFC 6655, RFC 8439); `_8` has an 8-byte tag. */
export type AeadAlgorithm =
  | 'AES_128_CCM_8'
  | 'AES_128_CCM'
  | 'AES_256_CCM_8'
  | 'AES_256_CCM'
  | 'AES_128_GCM'
  | 'AES_256_GCM'
  | 'CHACHA20_POLY1305';

export type HashAlgorithm = 'SHA-256' | 'SHA-384' | 'SHA-512';

/** Groups for ephemeral Diffie-Hellman, named as in the TLS registry (RFC 8422). */
export type NamedGroup = 'secp256r1' | 'x25519' | 'secp384r1';

/**
 * Signature algorithms, named after RFC 8446 §4.2.3; as in TLS 1.2 (RFC 8422 §5.1.3), ECDSA is not bound to a curve here.
 * `rsa_pss_*` has MGF1 with the same hash and a salt as long as it.
 */
export type SignatureScheme =
  | 'ecdsa_sha256'
  | 'ecdsa_sha384'
  | 'ecdsa_sha512'
  | 'ed25519'
  | 'rsa_pss_sha256'
  | 'rsa_pss_sha384'
  | 'rsa_pss_sha512'
  | 'rsa_pkcs1_sha256'
  | 'rsa_pkcs1_sha384'
  | 'rsa_pkcs1_sha512';

/** Kinds of public keys that certificates and raw public keys may hold. */
export type PublicKeyType = 'ec-secp256r1' | 'ec-secp384r1' | 'ed25519' | 'rsa';

/** A public key out of a SubjectPublicKeyInfo. */
export interface PublicKey {
  readonly type: PublicKeyType;
  /** Size in bits: 256, 384, or that of an RSA modulus. */
  readonly bits: number;
  /** The DER encoding it was read from (RFC 5280 §4.1.2.7). */
  readonly spki: Uint8Array;
  /** Whether the signature over the parts, joined in order, is good; false for a scheme of another key type too. Never throws. */
  verify(scheme: SignatureScheme, signature: Uint8Array, ...parts: readonly Uint8Array[]): boolean;
}

/** A private key for signatures, and its public half. The key itself stays with the provider. */
export interface SigningKey {
  readonly publicKey: PublicKey;
  /**
   * The signature over the parts, joined in order; ECDSA as DER (RFC 8422 §5.4).
   *
   * @param scheme One that fits the type of the key.
   */
  sign(scheme: SignatureScheme, ...parts: readonly Uint8Array[]): Uint8Array;
}

/** One AEAD key. Works in place, so that a record is opened and sealed where it lies. */
export interface AeadKey {
  /** Length of the authentication tag in bytes: 8 or 16. */
  readonly tagLength: number;
  /**
   * Encrypts `length` bytes at `buffer[offset]` in place and writes the tag right behind them.
   * The caller has left `tagLength` bytes of room there.
   *
   * @param nonce 12 bytes (TLS) or 13 bytes (OSCORE with AES-CCM); never used before with this key.
   */
  seal(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void;
  /**
   * Checks and decrypts `length` bytes (ciphertext and tag) at `buffer[offset]` in place.
   *
   * @returns the length of the plaintext, or -1 when the tag does not verify; then `buffer` is as it was.
   */
  open(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): number;
  /** The key will hardly be used again: what was made of it for speed is overwritten, where it is kept apart. */
  rest?(): void;
}

/** A running hash, as a handshake transcript needs it. */
export interface RunningHash {
  update(bytes: Uint8Array): void;
  /** The digest of all so far; the hash can go on afterwards. */
  digest(): Uint8Array;
}

/** One MAC key. */
export interface MacKey {
  /** The MAC of the parts, joined in order: 32 bytes with SHA-256, 48 with SHA-384, 64 with SHA-512. */
  sign(...parts: readonly Uint8Array[]): Uint8Array;
  /**
   * P_hash of the seed's parts, joined in order, cut to `length` bytes (RFC 5246 §5); there where it is faster than by `sign`.
   *
   * @param seed 1024 bytes at most.
   */
  expand?(length: number, ...seed: readonly Uint8Array[]): Uint8Array;
}

/** One side's ephemeral key pair. */
export interface KeyShare {
  /** secp256r1: 65 bytes (uncompressed point); x25519: 32 bytes; secp384r1: 97 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The shared secret (32, 32 or 48 bytes), or `undefined` when the peer's value is not a valid public key
   * of the group, or makes an all-zero X25519 secret (RFC 7748 §6.1).
   */
  agree(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

/** What the core needs from a cryptographic library. */
export interface CryptoProvider {
  aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey;
  hash(algorithm: HashAlgorithm): RunningHash;
  /** The digest of the parts, joined in order. */
  digest(algorithm: HashAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array;
  /** An HMAC key (RFC 2104); `key` may have any length, also zero. */
  hmac(algorithm: HashAlgorithm, key: Uint8Array): MacKey;
  keyShare(group: NamedGroup): KeyShare;
  /**
   * Reads a SubjectPublicKeyInfo.
   *
   * @param spki DER, without a byte too many.
   * @returns `undefined` when it is malformed, of another type, or a point that is not on its curve; never throws.
   */
  publicKey(spki: Uint8Array): PublicKey | undefined;
}

/**
 * From a Master Secret and IDs to a Security Context.
 *
 * RFC 8613 §3.2 and §3.2.1. The secret is not kept.
 *
 * @module
 */

import { encodeCbor } from '../cbor/encode.ts';
import { equalBytes, noBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { hkdfExpand, hkdfExtract } from '../foundation/hkdf.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { type CoseAead, coseAead, defaultAead, type OscoreAead, type OscoreHkdf } from './cose-algorithms.ts';
import { maxIdLength } from './partial-iv.ts';
import { type ContextKeeping, type ContextRecord, SecurityContext } from './security-context.ts';

/** What both endpoints know beforehand (RFC 8613 §3.2). */
export interface ContextParameters {
  /** 16 random bytes or more are advised (§12.3). */
  readonly masterSecret: Uint8Array;
  /** Default: empty. */
  readonly masterSalt?: Uint8Array;
  /** 0 … 7 bytes, less with other algorithms than the default (§3.3). The peer has it as its Recipient ID. */
  readonly senderId: Uint8Array;
  /** Likewise; another one than the Sender ID. */
  readonly recipientId: Uint8Array;
  /** Absent is not the same as empty. */
  readonly idContext?: Uint8Array;
  /** Default: AES-CCM-16-64-128. */
  readonly aead?: OscoreAead;
  /** Default: SHA-256. */
  readonly hkdf?: OscoreHkdf;
}

/** What the core is given from outside. */
export interface ContextSources {
  readonly crypto: Pick<CryptoProvider, 'aead' | 'hmac'>;
  readonly random: RandomSource;
}

/**
 * Derive a Security Context (RFC 8613 §3.2.1).
 *
 * @param record What the store holds of this context; `unusedContext` only if nobody has ever used these parameters.
 * @throws ApiMisuseError for IDs that are too long or the same, an empty secret, an unknown algorithm.
 */
export function deriveSecurityContext(
  sources: ContextSources,
  parameters: ContextParameters,
  record: ContextRecord,
  keeping?: ContextKeeping,
): SecurityContext {
  const {
    senderId,
    recipientId,
    masterSecret,
    masterSalt = noBytes,
    idContext,
    hkdf = 'SHA-256',
  } = parameters;
  const { crypto } = sources;
  const aead = coseAead(parameters.aead ?? defaultAead);
  if (aead === undefined)
    throw new ApiMisuseError(`aead is "${parameters.aead}"; expected a name of the COSE registry`);
  if (hkdf !== 'SHA-256' && hkdf !== 'SHA-512') {
    throw new ApiMisuseError(`hkdf is "${String(hkdf)}"; expected "SHA-256" or "SHA-512"`);
  }
  if (masterSecret.length === 0)
    throw new ApiMisuseError('masterSecret is empty; expected 16 random bytes or more');
  checkIds(aead, senderId, recipientId);

  const pseudorandomKey = hkdfExtract(crypto, hkdf, masterSalt, masterSecret);
  const derive = (id: Uint8Array, type: 'Key' | 'IV', length: number): Uint8Array =>
    hkdfExpand(
      crypto,
      hkdf,
      pseudorandomKey,
      derivationInfo(id, idContext, aead.number, type, length),
      length,
    );
  return new SecurityContext(
    {
      aead,
      senderId: senderId.slice(),
      recipientId: recipientId.slice(),
      idContext: idContext?.slice(),
      senderKey: crypto.aead(aead.algorithm, derive(senderId, 'Key', aead.keyLength)),
      recipientKey: crypto.aead(aead.algorithm, derive(recipientId, 'Key', aead.keyLength)),
      commonIv: derive(noBytes, 'IV', aead.nonceLength),
    },
    sources.random,
    record,
    keeping,
  );
}

/** The `info` of HKDF: a CBOR array (RFC 8613 §3.2.1). */
export function derivationInfo(
  id: Uint8Array,
  idContext: Uint8Array | undefined,
  algorithm: number,
  type: 'Key' | 'IV',
  length: number,
): Uint8Array {
  return encodeCbor([id, idContext ?? null, algorithm, type, length]);
}

function checkIds(aead: CoseAead, senderId: Uint8Array, recipientId: Uint8Array): void {
  const longest = maxIdLength(aead.nonceLength);
  for (const [name, id] of [
    ['senderId', senderId],
    ['recipientId', recipientId],
  ] as const) {
    if (id.length > longest) {
      throw new ApiMisuseError(
        `${name} has ${id.length} bytes; expected at most ${longest} with ${aead.name}`,
      );
    }
  }
  // §3.3: two ends with one Sender ID would use the same key and nonces.
  if (equalBytes(senderId, recipientId)) {
    throw new ApiMisuseError('senderId and recipientId are the same; expected another one for each end');
  }
}

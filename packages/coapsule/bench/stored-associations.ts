/**
 * Associations as they are stored, for benches that need many of them without their handshakes.
 *
 * @module
 */

import { encodeAssociationState } from '../src/core/dtls/association-state.ts';
import { type CipherSuite, suiteByName } from '../src/core/dtls/cipher-suites.ts';
import { createEpochKeys } from '../src/core/dtls/record/epoch-keys.ts';
import { ContentType } from '../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../src/core/dtls/record/seal-record.ts';
import { noBytes } from '../src/core/foundation/bytes.ts';
import type { AeadKey, CryptoProvider } from '../src/core/foundation/crypto-provider.ts';
import { ipAddress, type PeerAddress } from '../src/core/foundation/peer-address.ts';
import { randomBytes } from '../src/core/foundation/random-source.ts';
import { nodeCrypto } from '../src/crypto/node-crypto.ts';
import { systemRandom } from '../src/node/system-random.ts';

const suite = suiteByName('TLS_PSK_WITH_AES_128_CCM_8') as CipherSuite;
/** Free, so that only the layer is measured. */
const noAead: AeadKey = {
  tagLength: 8,
  seal: () => {},
  open: (_nonce, _additionalData, _buffer, _offset, length) => length - 8,
};
export const cheapCrypto: CryptoProvider = { ...nodeCrypto, aead: () => noAead };

export const bytes = (length: number): Uint8Array => randomBytes(systemRandom, length);

/** One, as a server has it. */
export interface Stored {
  readonly state: Uint8Array;
  readonly address: PeerAddress;
  readonly connectionId: Uint8Array;
}

/** @param hasConnectionIds Whether their records are found by an id of eight bytes, else by the address. */
export function stored(count: number, hasConnectionIds: boolean): Stored[] {
  return Array.from({ length: count }, (_, i) => {
    const connectionId = hasConnectionIds ? bytes(8) : noBytes;
    const state = encodeAssociationState(nodeCrypto, {
      role: 'server',
      suite,
      extendedMasterSecret: true,
      connectionIds: hasConnectionIds ? { own: connectionId, peer: noBytes } : undefined,
      returnRoutabilityCheck: false,
      generation: 1,
      writeSequence: 1,
      window: { highest: 0, recent: 1, older: 0 },
      peerRecordSizeLimit: 2 ** 14,
      identityHash: bytes(16),
      application: new Uint8Array(8),
      read: { key: bytes(16), iv: bytes(4) },
      write: { key: bytes(16), iv: bytes(4) },
    });
    const address = ipAddress(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 5683);
    return { state, address, connectionId };
  });
}

/** A record from a client of one of them, which the AEAD that does nothing opens; its sequence number is 1. */
export function clientRecord({ connectionId }: Stored, content: Uint8Array): Uint8Array {
  const keys = createEpochKeys(cheapCrypto, suite, bytes(16), bytes(4), connectionId);
  return sealRecord(keys, ContentType.ApplicationData, 1, 1, content);
}

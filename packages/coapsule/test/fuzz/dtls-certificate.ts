/**
 * Fuzz target: Certificate messages with real chains and raw public keys, changed at will, up to the key that is taken out of
 * them (D22 of the robustness catalogue).
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import type { HandshakeContext } from '../../src/core/dtls/handshake/handshake-context.ts';
import { decodeCertificate, encodeCertificate } from '../../src/core/dtls/handshake/messages/certificate.ts';
import { keyOfCredential } from '../../src/core/dtls/handshake/peer-credential.ts';
import { decodeCertificate as decodeX509 } from '../../src/core/x509/certificate.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { issue, issueRoot, keyPair } from '../x509/certificate-factory.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const root = issueRoot();
const types = ['P-256', 'P-384', 'ed25519', 'rsa-2048'] as const;
const chains = types.map((type) => {
  const issuer = issue({ subject: `CN=${type} CA`, issuer: root, ca: true });
  const own = issue({ subject: `CN=${type}`, issuer, keys: keyPair(type), names: { dns: ['a.example'] } });
  return encodeCertificate({ kind: 'x509', chain: [own.der, issuer.der] });
});
const rawKeys = types.map((type) => {
  const spki = keyPair(type).publicKey.export({ format: 'der', type: 'spki' });
  return encodeCertificate({ kind: 'raw-public-key', publicKey: new Uint8Array(spki) });
});

/** All that this needs of its context. */
const context = { crypto: nodeCrypto } as unknown as HandshakeContext;

/** Each input is the body of a Certificate message. */
export const target: FuzzTarget = {
  name: 'Certificate messages',
  corpus: [...chains, ...rawKeys, encodeCertificate(undefined)],
  run(input) {
    for (const type of ['x509', 'raw-public-key'] as const) {
      const credential = decodeCertificate(input, type);
      if (credential === undefined || isDecodeFault(credential)) continue;
      const peer = keyOfCredential(context, credential);
      if ('cause' in peer) {
        assert.ok(peer.detail.length > 0 && peer.alert > 0);
        continue;
      }
      if (credential.kind === 'x509') for (const der of credential.chain.slice(1)) decodeX509(der);
    }
  },
};

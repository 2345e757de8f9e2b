/**
 * Fuzz target: any bytes as a certificate, and as each field of one, through decoding, path validation and the checks of
 * names. Lengths around the field are right, or nearly all inputs would end there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeCertificate, trustAnchor } from '../../src/core/x509/certificate.ts';
import { DerReader, derTag } from '../../src/core/x509/der.ts';
import { deviceIdentity } from '../../src/core/x509/device-identity.ts';
import { validatePath } from '../../src/core/x509/path-validation.ts';
import { matchServerName } from '../../src/core/x509/service-identity.ts';
import { describePublicKey } from '../../src/core/x509/subject-public-key.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { hex, readVectors } from '../unit/crypto/vector-files.ts';
import { bitString, sequence } from '../x509/der-writer.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const certificates = readVectors<{ certificates: { name: string; der: string }[] }>(
  'x509/certificates.json',
).certificates.map(({ der }) => hex(der));
const [root, intermediate, device] = certificates as [Uint8Array, Uint8Array, Uint8Array];

/** Signatures stand for themselves here: whatever decodes is judged as if it were signed, which is the longer way. */
const believing = {
  digest: nodeCrypto.digest,
  publicKey(spki: Uint8Array) {
    const verify = (): boolean => true;
    return { type: 'ec-secp256r1', bits: 256, spki, verify } as const;
  },
};

export const target: FuzzTarget = {
  name: 'X.509 certificates',
  corpus: [...certificates, ...certificates.flatMap(fieldsOf)],
  run(input) {
    describePublicKey(input);
    check(input);
    const fields = fieldsOf(device);
    // Bytes take the place of a field that begins like them, or that of the extensions.
    const fitting = fields.flatMap((field, i) => (field[0] === input[0] ? [i] : []));
    const place = fitting[input.length % fitting.length] ?? fields.length - 1;
    const algorithm = place === algorithmPlace ? input : (fields[algorithmPlace] as Uint8Array);
    const toBeSigned = sequence(...fields.map((field, i) => (i === place ? input : field)));
    check(sequence(toBeSigned, algorithm, bitString(new Uint8Array(64))));
  },
};

const algorithmPlace = 2;

/** The fields of the TBSCertificate. */
function fieldsOf(der: Uint8Array): Uint8Array[] {
  const reader = DerReader.of(der).enter(derTag.sequence, '').enter(derTag.sequence, '');
  const fields: Uint8Array[] = [];
  while (reader.more) fields.push(reader.any('').encoding);
  return fields;
}

function check(input: Uint8Array): void {
  const certificate = decodeCertificate(input);
  if (isDecodeFault(certificate)) {
    assert.equal(certificate.layer, 'x509');
    assert.ok(certificate.offset >= 0 && certificate.offset <= input.length);
    return;
  }
  const identity = deviceIdentity(certificate);
  assert.ok(identity === undefined || !/[\p{C}]/u.test(identity));
  assertText(certificate.subject.text);
  const match = matchServerName(certificate, 'device.example.com');
  if (!match.matches) assertText(match.detail);
  describePublicKey(certificate.spki);

  // In each place of a chain: as the leaf, as a CA, as the trust anchor.
  judge([input, intermediate, root], root);
  judge([device, input, intermediate], root);
  judge([device, intermediate, certificate.der], input);
  const real = validatePath({ ...question(root), chain: [input, intermediate], crypto: nodeCrypto });
  if (real.accepted) assert.ok(certificates.some((known) => Buffer.compare(known, input) === 0));
}

function judge(chain: readonly Uint8Array[], trusted: Uint8Array): void {
  const verdict = validatePath({ ...question(trusted), chain, crypto: believing });
  if (verdict.accepted) assert.ok(verdict.path.length > 0 && verdict.expiresAtMs >= 0);
  else assertText(verdict.detail);
}

function question(trusted: Uint8Array) {
  const anchor = trustAnchor(trusted);
  const anchors = isDecodeFault(anchor) ? [] : [anchor];
  return { anchors, nowMs: Date.UTC(2026, 5, 1), purpose: 'server' } as const;
}

/** For logs: bounded, and without control characters. */
function assertText(text: string): void {
  assert.ok(text.length < 1000 && !/[\p{Cc}\p{Cf}]/u.test(text), text);
}

/**
 * Fuzz target: any bytes through the decoders of handshake messages and extensions, and through reassembly.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import { readApplicationProtocols } from '../../src/core/dtls/handshake/extensions/application-protocols.ts';
import {
  readCertificateType,
  readCertificateTypes,
} from '../../src/core/dtls/handshake/extensions/certificate-types.ts';
import { readConnectionId } from '../../src/core/dtls/handshake/extensions/connection-id.ts';
import { readEcPointFormats } from '../../src/core/dtls/handshake/extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../../src/core/dtls/handshake/extensions/extended-master-secret.ts';
import {
  type ExtensionList,
  repeatedExtension,
} from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import {
  readMaxFragmentLength,
  readRecordSizeLimit,
} from '../../src/core/dtls/handshake/extensions/record-size-limit.ts';
import { readRenegotiationInfo } from '../../src/core/dtls/handshake/extensions/renegotiation-info.ts';
import { readReturnRoutabilityCheck } from '../../src/core/dtls/handshake/extensions/return-routability-check.ts';
import {
  readServerName,
  readServerNameAnswer,
  serverNameExtension,
} from '../../src/core/dtls/handshake/extensions/server-name.ts';
import { readSessionTicket } from '../../src/core/dtls/handshake/extensions/session-ticket.ts';
import {
  readSignatureAlgorithms,
  signatureAlgorithmsExtension,
} from '../../src/core/dtls/handshake/extensions/signature-algorithms.ts';
import {
  readSupportedGroups,
  supportedGroupsExtension,
} from '../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import {
  decodeMessageFragment,
  encodeMessageFragment,
  type MessageFragment,
} from '../../src/core/dtls/handshake/message-header.ts';
import { decodeCertificate, encodeCertificate } from '../../src/core/dtls/handshake/messages/certificate.ts';
import {
  decodeCertificateRequest,
  encodeCertificateRequest,
} from '../../src/core/dtls/handshake/messages/certificate-request.ts';
import {
  decodeCertificateVerify,
  encodeCertificateVerify,
} from '../../src/core/dtls/handshake/messages/certificate-verify.ts';
import {
  type ClientHello,
  decodeClientHello,
  decodeClientHelloStart,
  encodeClientHello,
} from '../../src/core/dtls/handshake/messages/client-hello.ts';
import {
  decodeClientKeyExchange,
  encodeClientKeyExchange,
} from '../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import {
  decodeHelloVerifyRequest,
  encodeHelloVerifyRequest,
} from '../../src/core/dtls/handshake/messages/hello-verify-request.ts';
import {
  decodeNewSessionTicket,
  encodeNewSessionTicket,
} from '../../src/core/dtls/handshake/messages/new-session-ticket.ts';
import { decodeServerHello, encodeServerHello } from '../../src/core/dtls/handshake/messages/server-hello.ts';
import {
  decodeServerKeyExchange,
  encodeServerKeyExchange,
} from '../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { Reassembly, reassemblyLimits } from '../../src/core/dtls/handshake/reassembly.ts';
import { ByteReader } from '../../src/core/foundation/byte-reader.ts';
import { concatBytes, equalBytes } from '../../src/core/foundation/bytes.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const hello: ClientHello = {
  version: 0xfefd,
  random: new Uint8Array(32).fill(1),
  sessionId: new Uint8Array(8).fill(2),
  cookie: new Uint8Array(32).fill(3),
  cipherSuites: [0xc0a8, 0xccab, 0xd001, 0x00ff],
  compressionMethods: Uint8Array.of(0),
  extensions: [
    { type: 23, data: new Uint8Array(0) },
    supportedGroupsExtension(),
    { type: 11, data: Uint8Array.of(1, 0) },
    serverNameExtension('device.example') ?? { type: 0, data: new Uint8Array(0) },
    { type: 0xff01, data: Uint8Array.of(0) },
    signatureAlgorithmsExtension(),
    { type: 1, data: Uint8Array.of(1) },
    { type: 16, data: Uint8Array.of(0, 7, 4, 0x63, 0x6f, 0x61, 0x70, 1, 0x78) },
    { type: 19, data: Uint8Array.of(2, 0, 2) },
    { type: 20, data: Uint8Array.of(1, 2) },
    { type: 28, data: Uint8Array.of(2, 0) },
    { type: 35, data: new Uint8Array(24).fill(7) },
    { type: 54, data: Uint8Array.of(4, 1, 2, 3, 4) },
    { type: 61, data: new Uint8Array(0) },
  ],
};
const identity = new Uint8Array(12).fill(0x61);
const ecdh = { group: 0x1d, publicKey: new Uint8Array(32).fill(5) };
const signed = { scheme: 0x0403, signature: new Uint8Array(71).fill(8) };
const chain = [der(300), der(180), der(5)];
const bodies: readonly (readonly [number, Uint8Array])[] = [
  [HandshakeType.ClientHello, encodeClientHello(hello)],
  [HandshakeType.HelloVerifyRequest, encodeHelloVerifyRequest({ version: 0xfeff, cookie: hello.cookie })],
  [
    HandshakeType.ServerHello,
    encodeServerHello({
      ...hello,
      cipherSuite: 0xc0a8,
      compressionMethod: 0,
      extensions: [
        { type: 23, data: new Uint8Array(0) },
        { type: 0, data: new Uint8Array(0) },
        { type: 16, data: Uint8Array.of(0, 2, 1, 0x78) },
        { type: 19, data: Uint8Array.of(2) },
        { type: 20, data: Uint8Array.of(0) },
        { type: 54, data: Uint8Array.of(2, 1, 2) },
      ],
    }),
  ],
  [HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: identity })],
  [HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: identity, ecdh })],
  [HandshakeType.ClientKeyExchange, encodeClientKeyExchange({ identity })],
  [HandshakeType.ClientKeyExchange, encodeClientKeyExchange({ identity, publicKey: ecdh.publicKey })],
  [HandshakeType.Certificate, encodeCertificate({ kind: 'x509', chain })],
  [HandshakeType.Certificate, encodeCertificate({ kind: 'raw-public-key', publicKey: der(91) })],
  [HandshakeType.Certificate, encodeCertificate(undefined)],
  [HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: new Uint8Array(0), ecdh, signed })],
  [
    HandshakeType.CertificateRequest,
    encodeCertificateRequest({ certificateTypes: [1, 64], signatureSchemes: [0x0403, 0x0807, 0x0804] }),
  ],
  // With the names of two authorities.
  [HandshakeType.CertificateRequest, Uint8Array.of(1, 64, 0, 2, 4, 3, 0, 9, 0, 3, 0x30, 1, 0, 0, 2, 0x30, 0)],
  [HandshakeType.CertificateVerify, encodeCertificateVerify(signed)],
  [HandshakeType.ClientKeyExchange, encodeClientKeyExchange({ publicKey: ecdh.publicKey })],
  [
    HandshakeType.NewSessionTicket,
    encodeNewSessionTicket({ lifetimeSeconds: 3600, ticket: new Uint8Array(150).fill(9) }),
  ],
  [HandshakeType.Finished, new Uint8Array(12).fill(6)],
];

/** Each input is a record's content: handshake messages, or fragments of them, one after the other. */
export const target: FuzzTarget = {
  name: 'DTLS handshake messages',
  corpus: [
    ...bodies.map(([type, body], messageSeq) =>
      encodeMessageFragment({ type, messageSeq, body }, 0, body.length),
    ),
    concatBytes(
      ...bodies.flatMap(([type, body], messageSeq) => {
        // Two that overlap, the later one first; of a body of fewer bytes, all of it twice.
        const [start, end] = [Math.min(7, body.length), Math.min(9, body.length)];
        return [
          encodeMessageFragment({ type, messageSeq, body }, start, body.length - start),
          encodeMessageFragment({ type, messageSeq, body }, 0, end),
        ];
      }),
    ),
  ],
  run(input) {
    const reader = new ByteReader(input);
    const reassembly = new Reassembly();
    for (;;) {
      const fragment = decodeMessageFragment(reader);
      if (fragment === undefined) break;
      assert.ok(fragment.fragmentOffset + fragment.fragment.length <= fragment.length);
      decodeBody(fragment);
      reassembly.add(fragment.messageSeq & 1, fragment);
      assert.ok(reassembly.keptBytes <= reassemblyLimits.keptBytes);
      for (const epoch of [0, 1]) {
        const message = reassembly.take(epoch);
        if (message !== undefined) assert.ok(message.body.length <= reassemblyLimits.messageLength);
      }
      reassembly.takeOutOfOrder([HandshakeType.ServerHello]);
    }
  },
};

/** What a decoder takes, it takes whole: encoded again it is the same bytes. */
function decodeBody(fragment: MessageFragment): void {
  const body = fragment.fragment;
  const start = decodeClientHelloStart(body);
  const clientHello = decodeClientHello(body);
  if (!isDecodeFault(clientHello)) {
    assert.ok(!isDecodeFault(start));
    if (clientHello.extensions.length > 0) assert.ok(equalBytes(encodeClientHello(clientHello), body));
    readExtensions(clientHello.extensions);
  }
  const serverHello = decodeServerHello(body);
  if (!isDecodeFault(serverHello)) {
    if (serverHello.extensions.length > 0) assert.ok(equalBytes(encodeServerHello(serverHello), body));
    readExtensions(serverHello.extensions);
  }
  const request = decodeHelloVerifyRequest(body);
  if (!isDecodeFault(request)) assert.ok(equalBytes(encodeHelloVerifyRequest(request), body));
  for (const keyExchange of ['PSK', 'ECDHE_PSK', 'ECDHE_ECDSA', 'ECDHE_RSA'] as const) {
    const server = decodeServerKeyExchange(body, keyExchange);
    if (!isDecodeFault(server)) assert.ok(equalBytes(encodeServerKeyExchange(server), body));
    const client = decodeClientKeyExchange(body, keyExchange);
    if (!isDecodeFault(client)) assert.ok(equalBytes(encodeClientKeyExchange(client), body));
  }
  for (const type of ['x509', 'raw-public-key'] as const) {
    const credential = decodeCertificate(body, type);
    if (credential === undefined) assert.deepEqual([...body], [0, 0, 0]);
    else if (!isDecodeFault(credential)) assert.ok(equalBytes(encodeCertificate(credential), body));
  }
  const verify = decodeCertificateVerify(body);
  if (!isDecodeFault(verify)) assert.ok(equalBytes(encodeCertificateVerify(verify), body));
  const ticket = decodeNewSessionTicket(body);
  if (!isDecodeFault(ticket)) assert.ok(equalBytes(encodeNewSessionTicket(ticket), body));
  const certificateRequest = decodeCertificateRequest(body);
  if (!isDecodeFault(certificateRequest)) {
    // The names of authorities are left out.
    const encoded = encodeCertificateRequest(certificateRequest);
    assert.ok(equalBytes(encoded.subarray(0, -2), body.subarray(0, encoded.length - 2)));
  }
}

function readExtensions(list: ExtensionList): void {
  repeatedExtension(list);
  readEcPointFormats(list);
  readExtendedMasterSecret(list);
  readRenegotiationInfo(list);
  readSupportedGroups(list);
  readSignatureAlgorithms(list);
  readServerName(list);
  readServerNameAnswer(list);
  readMaxFragmentLength(list);
  const limit = readRecordSizeLimit(list);
  assert.ok(typeof limit !== 'number' || limit >= 64);
  const id = readConnectionId(list);
  assert.ok(!(id instanceof Uint8Array) || id.length < 256);
  readReturnRoutabilityCheck(list);
  readSessionTicket(list);
  const protocols = readApplicationProtocols(list);
  assert.ok(typeof protocols !== 'object' || protocols.every((name) => name.length > 0));
  for (const side of ['client', 'server'] as const) {
    readCertificateTypes(list, side);
    readCertificateType(list, side);
  }
}

/** Something with the outer form of DER. */
function der(length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x30);
  bytes.set([0x30, 0x82, length >>> 8, length]);
  return bytes;
}

/**
 * Fuzz target: any bytes through the decoders of handshake messages and extensions, and through reassembly.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import { readEcPointFormats } from '../../src/core/dtls/handshake/extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../../src/core/dtls/handshake/extensions/extended-master-secret.ts';
import { repeatedExtension } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import { readRenegotiationInfo } from '../../src/core/dtls/handshake/extensions/renegotiation-info.ts';
import { serverNameExtension } from '../../src/core/dtls/handshake/extensions/server-name.ts';
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
  ],
};
const identity = new Uint8Array(12).fill(0x61);
const ecdh = { group: 0x1d, publicKey: new Uint8Array(32).fill(5) };
const bodies: readonly (readonly [number, Uint8Array])[] = [
  [HandshakeType.ClientHello, encodeClientHello(hello)],
  [HandshakeType.HelloVerifyRequest, encodeHelloVerifyRequest({ version: 0xfeff, cookie: hello.cookie })],
  [
    HandshakeType.ServerHello,
    encodeServerHello({
      ...hello,
      cipherSuite: 0xc0a8,
      compressionMethod: 0,
      extensions: hello.extensions.slice(0, 1),
    }),
  ],
  [HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: identity })],
  [HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: identity, ecdh })],
  [HandshakeType.ClientKeyExchange, encodeClientKeyExchange({ identity })],
  [HandshakeType.ClientKeyExchange, encodeClientKeyExchange({ identity, publicKey: ecdh.publicKey })],
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
      ...bodies.flatMap(([type, body], messageSeq) => [
        encodeMessageFragment({ type, messageSeq, body }, 7, body.length - 7),
        encodeMessageFragment({ type, messageSeq, body }, 0, 9),
      ]),
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
    repeatedExtension(clientHello.extensions);
    readEcPointFormats(clientHello.extensions);
    readExtendedMasterSecret(clientHello.extensions);
    readRenegotiationInfo(clientHello.extensions);
    readSupportedGroups(clientHello.extensions);
  }
  const serverHello = decodeServerHello(body);
  if (!isDecodeFault(serverHello) && serverHello.extensions.length > 0) {
    assert.ok(equalBytes(encodeServerHello(serverHello), body));
  }
  const request = decodeHelloVerifyRequest(body);
  if (!isDecodeFault(request)) assert.ok(equalBytes(encodeHelloVerifyRequest(request), body));
  for (const keyExchange of ['PSK', 'ECDHE_PSK'] as const) {
    const server = decodeServerKeyExchange(body, keyExchange);
    if (!isDecodeFault(server)) assert.ok(equalBytes(encodeServerKeyExchange(server), body));
    const client = decodeClientKeyExchange(body, keyExchange);
    if (!isDecodeFault(client)) assert.ok(equalBytes(encodeClientKeyExchange(client), body));
  }
}

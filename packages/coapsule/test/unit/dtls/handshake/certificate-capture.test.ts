/**
 * A recorded DTLS 1.2 session of OpenSSL with a certificate (ECDHE_ECDSA, AES-128-CCM-8): every message decodes and encodes to
 * the same bytes, the server's signature and both Finished are good, and every protected record opens.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { suiteByName } from '../../../../src/core/dtls/cipher-suites.ts';
import { isDecodeFault } from '../../../../src/core/dtls/handshake/decode-fault.ts';
import { readEcPointFormats } from '../../../../src/core/dtls/handshake/extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../../../../src/core/dtls/handshake/extensions/extended-master-secret.ts';
import { readRenegotiationInfo } from '../../../../src/core/dtls/handshake/extensions/renegotiation-info.ts';
import { readSessionTicket } from '../../../../src/core/dtls/handshake/extensions/session-ticket.ts';
import {
  readSignatureAlgorithms,
  signatureSchemeOf,
} from '../../../../src/core/dtls/handshake/extensions/signature-algorithms.ts';
import { readSupportedGroups } from '../../../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { handshakeTypeName } from '../../../../src/core/dtls/handshake/handshake-type.ts';
import {
  decodeMessageFragment,
  type HandshakeMessage,
} from '../../../../src/core/dtls/handshake/message-header.ts';
import {
  decodeCertificate,
  encodeCertificate,
} from '../../../../src/core/dtls/handshake/messages/certificate.ts';
import {
  decodeClientHello,
  encodeClientHello,
} from '../../../../src/core/dtls/handshake/messages/client-hello.ts';
import {
  decodeClientKeyExchange,
  encodeClientKeyExchange,
} from '../../../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import {
  decodeHelloVerifyRequest,
  encodeHelloVerifyRequest,
} from '../../../../src/core/dtls/handshake/messages/hello-verify-request.ts';
import {
  decodeNewSessionTicket,
  encodeNewSessionTicket,
} from '../../../../src/core/dtls/handshake/messages/new-session-ticket.ts';
import {
  decodeServerHello,
  encodeServerHello,
} from '../../../../src/core/dtls/handshake/messages/server-hello.ts';
import {
  decodeServerKeyExchange,
  encodeServerKeyExchange,
  signedParams,
} from '../../../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { Reassembly } from '../../../../src/core/dtls/handshake/reassembly.ts';
import { Transcript } from '../../../../src/core/dtls/handshake/transcript.ts';
import { keyBlock, verifyData } from '../../../../src/core/dtls/key-schedule/prf-12.ts';
import { fragmentOf, splitRecords } from '../../../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys } from '../../../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../../../src/core/dtls/record/open-record.ts';
import { ContentType } from '../../../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../../../src/core/dtls/record/seal-record.ts';
import { ByteReader } from '../../../../src/core/foundation/byte-reader.ts';
import { noBytes, toHex } from '../../../../src/core/foundation/bytes.ts';
import { decodeCertificate as decodeX509 } from '../../../../src/core/x509/certificate.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { hex, readVectors } from '../../crypto/vector-files.ts';

interface Capture {
  readonly cipher_suite: string;
  readonly server_certificate_pem: string;
  readonly client_random: string;
  readonly server_random: string;
  readonly master_secret: string;
  readonly client_write_key: string;
  readonly server_write_key: string;
  readonly client_write_iv: string;
  readonly server_write_iv: string;
  readonly datagrams: readonly {
    readonly sender: 'client' | 'server';
    readonly datagram: string;
    readonly records: readonly { readonly plaintext?: string }[];
  }[];
}

interface SentMessage extends HandshakeMessage {
  readonly sender: 'client' | 'server';
}

const capture = readVectors<Capture>('dtls12/openssl-ecdhe-ecdsa-ccm8.json');
const cipherSuite = suiteByName(capture.cipher_suite);
assert.ok(cipherSuite !== undefined);
const keys = {
  client: createEpochKeys(
    nodeCrypto,
    cipherSuite,
    hex(capture.client_write_key),
    hex(capture.client_write_iv),
  ),
  server: createEpochKeys(
    nodeCrypto,
    cipherSuite,
    hex(capture.server_write_key),
    hex(capture.server_write_iv),
  ),
};
const messages = handshakeMessages();

/** The only message with this name, or the one at this place among several. */
function message(name: string, place = 0): SentMessage {
  const found = messages.filter(({ type }) => handshakeTypeName(type) === name)[place];
  assert.ok(found !== undefined, name);
  return found;
}

function decoded<T extends object>(value: T | undefined): Exclude<T, { kind: 'decode-fault' }> {
  assert.ok(value !== undefined && !isDecodeFault(value), JSON.stringify(value));
  return value as Exclude<T, { kind: 'decode-fault' }>;
}

suite('a session of OpenSSL with a certificate', () => {
  test('has its messages in the order of RFC 5246 §7.3, put together from their fragments', () => {
    assert.deepEqual(
      messages.map(({ sender, type }) => `${sender} ${handshakeTypeName(type)}`),
      [
        'client ClientHello',
        'server HelloVerifyRequest',
        'client ClientHello',
        'server ServerHello',
        'server Certificate',
        'server ServerKeyExchange',
        'server ServerHelloDone',
        'client ClientKeyExchange',
        'client Finished',
        'server NewSessionTicket',
        'server Finished',
      ],
    );
  });

  test('each message decodes, and encodes to the same bytes', () => {
    for (const place of [0, 1]) {
      const { body } = message('ClientHello', place);
      assert.deepEqual(encodeClientHello(decoded(decodeClientHello(body))), body);
    }
    const request = message('HelloVerifyRequest').body;
    assert.deepEqual(encodeHelloVerifyRequest(decoded(decodeHelloVerifyRequest(request))), request);
    const hello = message('ServerHello').body;
    assert.deepEqual(encodeServerHello(decoded(decodeServerHello(hello))), hello);
    const certificate = message('Certificate').body;
    assert.deepEqual(encodeCertificate(decoded(decodeCertificate(certificate, 'x509'))), certificate);
    const server = message('ServerKeyExchange').body;
    const serverExchange = decoded(decodeServerKeyExchange(server, 'ECDHE_ECDSA'));
    assert.deepEqual(encodeServerKeyExchange(serverExchange), server);
    const client = message('ClientKeyExchange').body;
    const clientExchange = decoded(decodeClientKeyExchange(client, 'ECDHE_ECDSA'));
    assert.deepEqual(encodeClientKeyExchange(clientExchange), client);
    const ticket = message('NewSessionTicket').body;
    assert.deepEqual(encodeNewSessionTicket(decoded(decodeNewSessionTicket(ticket))), ticket);
    assert.deepEqual(message('ServerHelloDone').body, noBytes);
  });

  test('the Hellos say what OpenSSL says', () => {
    const client = decoded(decodeClientHello(message('ClientHello', 1).body));
    assert.deepEqual(client.random, hex(capture.client_random));
    assert.deepEqual(client.cipherSuites, [0xc0ae, 0x00ff]);
    assert.equal(readExtendedMasterSecret(client.extensions), true);
    assert.equal(readEcPointFormats(client.extensions), true);
    assert.deepEqual(readSupportedGroups(client.extensions), [0x17]);
    assert.deepEqual(readSessionTicket(client.extensions), noBytes);
    const schemes = readSignatureAlgorithms(client.extensions);
    assert.ok(typeof schemes !== 'string' && schemes.includes(0x0403) && schemes.length === 23);
    const server = decoded(decodeServerHello(message('ServerHello').body));
    assert.deepEqual(server.random, hex(capture.server_random));
    assert.equal(server.cipherSuite, 0xc0ae);
    assert.equal(readRenegotiationInfo(server.extensions), true);
    assert.equal(readExtendedMasterSecret(server.extensions), true);
  });

  test('the certificate is the one of the file, and its key has signed the key exchange (RFC 8422 §5.4)', () => {
    const shown = decoded(decodeCertificate(message('Certificate').body, 'x509'));
    assert.ok(shown.kind === 'x509' && shown.chain.length === 1);
    const der = shown.chain[0] as Uint8Array;
    const pem = capture.server_certificate_pem.replace(/-----[^-]*-----/g, '').replace(/\s/g, '');
    assert.equal(Buffer.from(der).toString('base64'), pem);
    const key = nodeCrypto.publicKey(decoded(decodeX509(der)).spki);
    assert.equal(key?.type, 'ec-secp256r1');
    const { ecdh, signed } = decoded(
      decodeServerKeyExchange(message('ServerKeyExchange').body, 'ECDHE_ECDSA'),
    );
    assert.ok(key !== undefined && ecdh !== undefined && signed !== undefined);
    assert.equal(ecdh.group, 0x17);
    const scheme = signatureSchemeOf(signed.scheme, key.type);
    assert.equal(scheme, 'ecdsa_sha256');
    const parts = [hex(capture.client_random), hex(capture.server_random), signedParams(ecdh)] as const;
    assert.equal(key.verify('ecdsa_sha256', signed.signature, ...parts), true);
    for (let bit = 0; bit < signed.signature.length * 8; bit++) {
      const other: Uint8Array = signed.signature.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(key.verify('ecdsa_sha256', other, ...parts), false, `bit ${bit}`);
    }
    assert.equal(key.verify('ecdsa_sha256', signed.signature, parts[1], parts[0], parts[2]), false);
  });

  test('the keys follow from the master secret, and each protected record opens and seals again', () => {
    const block = keyBlock(
      nodeCrypto,
      cipherSuite,
      hex(capture.master_secret),
      hex(capture.client_random),
      hex(capture.server_random),
    );
    assert.equal(toHex(block.clientWriteKey), capture.client_write_key);
    assert.equal(toHex(block.serverWriteKey), capture.server_write_key);
    assert.equal(toHex(block.clientWriteIv), capture.client_write_iv);
    assert.equal(toHex(block.serverWriteIv), capture.server_write_iv);
    let opened = 0;
    for (const { sender, datagram, records } of capture.datagrams) {
      for (const [place, record] of splitRecords(hex(datagram)).records.entries()) {
        if (record.epoch === 0) continue;
        const protectedBytes = fragmentOf(record).slice();
        const content = openRecord(keys[sender], record);
        assert.ok(!isOpenFault(content));
        assert.equal(toHex(content.content), records[place]?.plaintext);
        const { contentType } = content;
        const again = sealRecord(keys[sender], contentType, 1, record.sequenceNumber, content.content);
        assert.deepEqual(again.subarray(13), protectedBytes);
        opened++;
      }
    }
    assert.equal(opened, 4);
  });

  test('both Finished are over the messages from the second ClientHello on (RFC 6347 §4.2.6)', () => {
    const transcript = new Transcript(nodeCrypto);
    transcript.begin(cipherSuite.hash);
    let verified = 0;
    for (const one of messages.slice(2)) {
      if (handshakeTypeName(one.type) === 'Finished') {
        const master = hex(capture.master_secret);
        const expected = verifyData(nodeCrypto, cipherSuite.hash, master, one.sender, transcript.digest());
        assert.deepEqual(one.body, expected, one.sender);
        verified++;
      }
      transcript.add(one);
    }
    assert.equal(verified, 2);
  });
});

function handshakeMessages(): SentMessage[] {
  const found: SentMessage[] = [];
  const reassembly = { client: new Reassembly(), server: new Reassembly() };
  for (const { sender, datagram } of capture.datagrams) {
    for (const record of splitRecords(hex(datagram)).records) {
      let content = fragmentOf(record);
      if (record.epoch > 0) {
        const opened = openRecord(keys[sender], record);
        assert.ok(!isOpenFault(opened));
        if (opened.contentType !== ContentType.Handshake) continue;
        content = opened.content;
      } else if (record.recordType !== ContentType.Handshake) continue;
      const fragment = decodeMessageFragment(new ByteReader(content));
      assert.ok(fragment !== undefined);
      const { epoch } = record;
      assert.equal(reassembly[sender].add(epoch, fragment), 'kept');
      const whole = reassembly[sender].take(epoch);
      if (whole !== undefined) found.push({ ...whole, body: whole.body.slice(), sender });
    }
  }
  return found;
}

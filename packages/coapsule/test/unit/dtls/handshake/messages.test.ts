import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { isDecodeFault } from '../../../../src/core/dtls/handshake/decode-fault.ts';
import { readEcPointFormats } from '../../../../src/core/dtls/handshake/extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../../../../src/core/dtls/handshake/extensions/extended-master-secret.ts';
import { repeatedExtension } from '../../../../src/core/dtls/handshake/extensions/extension-list.ts';
import { readRenegotiationInfo } from '../../../../src/core/dtls/handshake/extensions/renegotiation-info.ts';
import { serverNameExtension } from '../../../../src/core/dtls/handshake/extensions/server-name.ts';
import {
  readSupportedGroups,
  supportedGroupsExtension,
} from '../../../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { handshakeTypeName } from '../../../../src/core/dtls/handshake/handshake-type.ts';
import {
  decodeMessageFragment,
  encodeMessageFragment,
} from '../../../../src/core/dtls/handshake/message-header.ts';
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
  decodeServerHello,
  encodeServerHello,
} from '../../../../src/core/dtls/handshake/messages/server-hello.ts';
import {
  decodeServerKeyExchange,
  encodeServerKeyExchange,
} from '../../../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { fragmentOf, splitRecords } from '../../../../src/core/dtls/record/demultiplex.ts';
import { ByteReader } from '../../../../src/core/foundation/byte-reader.ts';
import { equalBytes, fromHex, noBytes } from '../../../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../../../src/core/foundation/utf8.ts';
import { readVectors } from '../../crypto/vector-files.ts';

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });
const extensions = fc.array(
  fc.record({ type: fc.nat(0xffff), data: bytes(0, 20) }, { noNullPrototype: true }),
  {
    minLength: 1,
    maxLength: 6,
  },
);

interface Capture {
  readonly datagrams: readonly { readonly datagram: string }[];
}

suite('handshake messages', () => {
  for (const file of ['wireshark-psk-aes128-ccm8', 'openssl-psk-ccm8']) {
    test(`of the capture ${file} decode, and encode to the same bytes`, () => {
      const counts = new Map<string, number>();
      for (const { datagram } of readVectors<Capture>(`dtls12/${file}.json`).datagrams) {
        for (const record of splitRecords(fromHex(datagram) as Uint8Array).records) {
          if (record.recordType !== 22 || record.epoch !== 0) continue;
          const content = fragmentOf(record);
          const fragment = decodeMessageFragment(new ByteReader(content));
          assert.ok(fragment !== undefined);
          const { type, messageSeq, fragment: body } = fragment;
          assert.deepEqual(
            encodeMessageFragment({ type, messageSeq, body }, 0, body.length),
            content.slice(),
          );
          const name = handshakeTypeName(type);
          counts.set(name, (counts.get(name) ?? 0) + 1);
          assert.ok(reencoded(name, body), name);
        }
      }
      assert.ok((counts.get('ClientHello') ?? 0) >= 1);
      assert.ok((counts.get('ServerHello') ?? 0) >= 1);
      assert.ok((counts.get('ClientKeyExchange') ?? 0) >= 1);
    });
  }

  test('ClientHello: decode(encode(x)) is x, and no shorter or longer body decodes', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            version: fc.nat(0xffff),
            random: bytes(32, 32),
            sessionId: bytes(0, 32),
            cookie: bytes(0, 255),
            cipherSuites: fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 20 }),
            compressionMethods: bytes(1, 5),
            extensions,
          },
          { noNullPrototype: true },
        ),
        (hello) => {
          const body = encodeClientHello(hello);
          assert.deepEqual(decodeClientHello(body), hello);
          assert.ok(isDecodeFault(decodeClientHello(body.subarray(0, body.length - 1))));
          assert.ok(isDecodeFault(decodeClientHello(Uint8Array.of(...body, 0))));
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  test('ClientHello: one without extensions decodes; one without suites or compression methods does not', () => {
    const hello = {
      version: 0xfefd,
      random: new Uint8Array(32),
      sessionId: noBytes,
      cookie: noBytes,
      cipherSuites: [0xc0a8],
      compressionMethods: Uint8Array.of(0),
      extensions: [],
    };
    assert.deepEqual(decodeClientHello(encodeClientHello(hello)), hello);
    assert.ok(isDecodeFault(decodeClientHello(encodeClientHello({ ...hello, cipherSuites: [] }))));
    assert.ok(isDecodeFault(decodeClientHello(encodeClientHello({ ...hello, compressionMethods: noBytes }))));
    assert.ok(
      isDecodeFault(decodeClientHello(encodeClientHello({ ...hello, sessionId: new Uint8Array(33) }))),
    );
  });

  test('ServerHello: decode(encode(x)) is x', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            version: fc.nat(0xffff),
            random: bytes(32, 32),
            sessionId: bytes(0, 32),
            cipherSuite: fc.nat(0xffff),
            compressionMethod: fc.nat(255),
            extensions,
          },
          { noNullPrototype: true },
        ),
        (hello) => assert.deepEqual(decodeServerHello(encodeServerHello(hello)), hello),
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  test('HelloVerifyRequest, ServerKeyExchange and ClientKeyExchange: decode(encode(x)) is x', () => {
    fc.assert(
      fc.property(
        bytes(0, 255),
        bytes(0, 300),
        bytes(1, 255),
        fc.nat(0xffff),
        (cookie, text, publicKey, group) => {
          const request = { version: 0xfeff, cookie };
          assert.deepEqual(decodeHelloVerifyRequest(encodeHelloVerifyRequest(request)), request);
          const plain = { hint: text };
          assert.deepEqual(decodeServerKeyExchange(encodeServerKeyExchange(plain), 'PSK'), plain);
          const server = { hint: text, ecdh: { group, publicKey } };
          assert.deepEqual(decodeServerKeyExchange(encodeServerKeyExchange(server), 'ECDHE_PSK'), server);
          assert.ok(isDecodeFault(decodeServerKeyExchange(encodeServerKeyExchange(server), 'PSK')));
          const client = { identity: text, publicKey };
          assert.deepEqual(decodeClientKeyExchange(encodeClientKeyExchange(client), 'ECDHE_PSK'), client);
          assert.ok(isDecodeFault(decodeClientKeyExchange(encodeClientKeyExchange(client), 'PSK')));
          assert.ok(
            isDecodeFault(decodeClientKeyExchange(encodeClientKeyExchange({ identity: text }), 'ECDHE_PSK')),
          );
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  test('a fragment that reaches over the end of its message does not decode', () => {
    const over = Uint8Array.of(16, 0, 0, 4, 0, 2, 0, 0, 2, 0, 0, 3, 1, 2, 3);
    assert.equal(decodeMessageFragment(new ByteReader(over)), undefined);
    over[2] = 0;
    over[3] = 5;
    assert.ok(decodeMessageFragment(new ByteReader(over)) !== undefined);
  });
});

suite('extensions', () => {
  test('extended_master_secret has no data, renegotiation_info one zero byte', () => {
    assert.equal(readExtendedMasterSecret([]), false);
    assert.equal(readExtendedMasterSecret([{ type: 23, data: noBytes }]), true);
    assert.equal(readExtendedMasterSecret([{ type: 23, data: Uint8Array.of(0) }]), 'malformed');
    assert.equal(readRenegotiationInfo([]), false);
    assert.equal(readRenegotiationInfo([{ type: 0xff01, data: Uint8Array.of(0) }]), true);
    assert.equal(readRenegotiationInfo([{ type: 0xff01, data: noBytes }]), 'malformed');
    assert.equal(readRenegotiationInfo([{ type: 0xff01, data: Uint8Array.of(1, 7) }]), 'malformed');
  });

  test('supported_groups offers x25519, secp256r1 and secp384r1, and odd, empty or cut lists are malformed', () => {
    assert.deepEqual(readSupportedGroups([supportedGroupsExtension()]), [0x1d, 0x17, 0x18]);
    assert.equal(readSupportedGroups([]), undefined);
    for (const data of [[], [0, 0], [0, 1, 0], [0, 3, 0, 29, 0], [0, 4, 0, 29], [0, 2, 0, 29, 0]]) {
      assert.equal(
        readSupportedGroups([{ type: 10, data: Uint8Array.from(data) }]),
        'malformed',
        data.join(),
      );
    }
  });

  test('ec_point_formats must have uncompressed (RFC 8422 §5.1.2)', () => {
    assert.equal(readEcPointFormats([{ type: 11, data: Uint8Array.of(3, 0, 1, 2) }]), true);
    assert.equal(readEcPointFormats([{ type: 11, data: Uint8Array.of(2, 1, 2) }]), 'malformed');
    assert.equal(readEcPointFormats([{ type: 11, data: Uint8Array.of(2, 0) }]), 'malformed');
  });

  test('server_name is made for host names, not for literal addresses (RFC 6066 §3)', () => {
    for (const name of [
      '192.0.2.1',
      '::1',
      '2001:db8::1',
      '[::1]',
      '',
      '.',
      'a..b',
      'ü.example',
      'x'.repeat(256),
      '127.1',
    ]) {
      assert.equal(serverNameExtension(name), undefined, name);
    }
    const extension = serverNameExtension('gateway.example.');
    assert.deepEqual(extension?.data.slice(5), encodeUtf8('gateway.example'));
    assert.deepEqual(extension?.data.slice(0, 5), Uint8Array.of(0, 18, 0, 0, 15));
    assert.ok(serverNameExtension('localhost') !== undefined);
  });

  test('a repeated extension is found', () => {
    const one = { type: 1, data: noBytes };
    const two = { type: 2, data: noBytes };
    assert.equal(repeatedExtension([one, two]), undefined);
    assert.equal(repeatedExtension([one, two, two, one]), 2);
  });
});

/** Whether a body comes out of its codec as it went in. */
function reencoded(name: string, body: Uint8Array): boolean {
  switch (name) {
    case 'ClientHello': {
      const message = decodeClientHello(body);
      return !isDecodeFault(message) && equalBytes(encodeClientHello(message), body);
    }
    case 'HelloVerifyRequest': {
      const message = decodeHelloVerifyRequest(body);
      return !isDecodeFault(message) && equalBytes(encodeHelloVerifyRequest(message), body);
    }
    case 'ServerHello': {
      const message = decodeServerHello(body);
      return !isDecodeFault(message) && equalBytes(encodeServerHello(message), body);
    }
    case 'ServerKeyExchange': {
      const message = decodeServerKeyExchange(body, 'PSK');
      return !isDecodeFault(message) && equalBytes(encodeServerKeyExchange(message), body);
    }
    case 'ClientKeyExchange': {
      const message = decodeClientKeyExchange(body, 'PSK');
      return !isDecodeFault(message) && equalBytes(encodeClientKeyExchange(message), body);
    }
    default:
      return name === 'ServerHelloDone' ? body.length === 0 : name === 'NewSessionTicket';
  }
}

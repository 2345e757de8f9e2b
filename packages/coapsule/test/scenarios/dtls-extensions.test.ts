/**
 * Extensions of both Hellos as a malicious or broken peer sends them: not offered, chosen wrongly, malformed, repeated.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AlertDescription } from '../../src/core/dtls/alert.ts';
import type { CipherSuiteName } from '../../src/core/dtls/cipher-suites.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { applicationProtocolsExtension } from '../../src/core/dtls/handshake/extensions/application-protocols.ts';
import { connectionIdExtension } from '../../src/core/dtls/handshake/extensions/connection-id.ts';
import { type Extension, ExtensionType } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import {
  maxFragmentLengthExtension,
  recordSizeLimitExtension,
} from '../../src/core/dtls/handshake/extensions/record-size-limit.ts';
import { serverNameExtension } from '../../src/core/dtls/handshake/extensions/server-name.ts';
import { signatureAlgorithmsExtension } from '../../src/core/dtls/handshake/extensions/signature-algorithms.ts';
import { supportedGroupsExtension } from '../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { decodeServerHello } from '../../src/core/dtls/handshake/messages/server-hello.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { certificateCredentials, rawPublicKeyCredentials } from './dtls-credentials.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from './dtls-scripted-peer.ts';

const { ClientCertificateType, ServerCertificateType, SessionTicket, ReturnRoutabilityCheck } = ExtensionType;
const ecdsa: CipherSuiteName = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';

/** A client layer that got a ServerHello with these extensions. */
function clientThatGot(
  extensions: readonly Extension[],
  config: Partial<DtlsConfig> = {},
  suiteName: CipherSuiteName = 'TLS_PSK_WITH_AES_128_CCM_8',
  serverName?: string,
): LonelyLayer {
  const client = new LonelyLayer('client', { suites: [suiteName], ...config });
  client.layer.connect(client.peer, serverName === undefined ? {} : { serverName }, client.clock.now);
  const server = new ScriptedServer({
    suite: suiteName,
    extensions: extensions.includes(extendedMasterSecretOffer)
      ? extensions
      : [extendedMasterSecretOffer, ...extensions],
  });
  server.takeHello(client.drain());
  client.give(server.messageRecord(server.serverHello()));
  return client;
}

/** A server layer that got a ClientHello with these extensions, and what it answered. */
function serverThatGot(
  extensions: readonly Extension[],
  config: Partial<DtlsConfig> = {},
  suiteName: CipherSuiteName = 'TLS_PSK_WITH_AES_128_CCM_8',
): { readonly server: LonelyLayer; readonly sent: readonly Uint8Array[] } {
  const server = new LonelyLayer('server', config);
  const client = new ScriptedClient({ suite: suiteName, extensions });
  return { server, sent: server.give(client.messageRecord(client.helloWithCookie(server))) };
}

function alertOf(layer: LonelyLayer): number | undefined {
  return layer.all('handshake-failed')[0]?.failure.alertSent;
}

/** Types in the ServerHello among some datagrams. */
function answered(sent: readonly Uint8Array[]): ReadonlyMap<number, Uint8Array> {
  const message = messagesOf(sent).find(({ type }) => type === HandshakeType.ServerHello);
  assert.ok(message !== undefined, 'there is a ServerHello');
  const hello = decodeServerHello(message.fragment);
  assert.ok('extensions' in hello);
  return new Map(hello.extensions.map(({ type, data }) => [type, data]));
}

/** A good value of each extension, in a ClientHello and in the ServerHello that answers it. */
const known: readonly {
  readonly name: string;
  readonly offer: Extension;
  readonly answer?: Extension;
  /** What a client needs to offer it. */
  readonly config?: Partial<DtlsConfig>;
  /** Values of other lengths are legal too. */
  readonly anyLength?: true;
}[] = [
  {
    name: 'server_name',
    offer: serverNameExtension('device.example') as Extension,
    answer: { type: ExtensionType.ServerName, data: noBytes },
  },
  {
    name: 'max_fragment_length',
    offer: maxFragmentLengthExtension(512),
    answer: maxFragmentLengthExtension(512),
    config: { maxRecordSize: 512 },
  },
  { name: 'supported_groups', offer: supportedGroupsExtension() },
  {
    name: 'ec_point_formats',
    offer: { type: ExtensionType.EcPointFormats, data: Uint8Array.of(1, 0) },
    answer: { type: ExtensionType.EcPointFormats, data: Uint8Array.of(1, 0) },
  },
  { name: 'signature_algorithms', offer: signatureAlgorithmsExtension() },
  {
    name: 'application_layer_protocol_negotiation',
    offer: applicationProtocolsExtension(['coap', 'x']),
    answer: applicationProtocolsExtension(['coap']),
    config: { protocols: ['coap', 'x'] },
  },
  {
    name: 'client_certificate_type',
    offer: { type: ClientCertificateType, data: Uint8Array.of(2, 0, 2) },
    answer: { type: ClientCertificateType, data: Uint8Array.of(2) },
  },
  {
    name: 'server_certificate_type',
    offer: { type: ServerCertificateType, data: Uint8Array.of(2, 0, 2) },
    answer: { type: ServerCertificateType, data: Uint8Array.of(2) },
  },
  { name: 'extended_master_secret', offer: extendedMasterSecretOffer, answer: extendedMasterSecretOffer },
  {
    name: 'record_size_limit',
    offer: recordSizeLimitExtension(512),
    answer: recordSizeLimitExtension(512),
    config: { maxRecordSize: 512 },
  },
  {
    name: 'session_ticket',
    offer: { type: SessionTicket, data: noBytes },
    answer: { type: SessionTicket, data: noBytes },
    anyLength: true,
  },
  {
    name: 'connection_id',
    offer: connectionIdExtension(Uint8Array.of(1, 2, 3)),
    answer: connectionIdExtension(Uint8Array.of(1, 2, 3)),
  },
  {
    name: 'rrc',
    offer: { type: ReturnRoutabilityCheck, data: noBytes },
    answer: { type: ReturnRoutabilityCheck, data: noBytes },
  },
  {
    name: 'renegotiation_info',
    offer: { type: ExtensionType.RenegotiationInfo, data: Uint8Array.of(0) },
    answer: { type: ExtensionType.RenegotiationInfo, data: Uint8Array.of(0) },
  },
];

/** An extension with every length but its own: empty, cut after each byte, with one byte more. */
function misshapen({ type, data }: Extension): Extension[] {
  const cut = Array.from(data, (_, length) => ({ type, data: data.subarray(0, length) }));
  return [...cut, { type, data: concatBytes(data, Uint8Array.of(0)) }];
}

suite('a server answers with an extension that was not offered (RFC 5246 §7.4.1.4)', () => {
  const config: Partial<DtlsConfig> = { connectionIdLength: 'off', resumption: 'off' };
  for (const { name, answer, offer } of known) {
    // These two are offered always: in the list of suites, and because it is required.
    if (name === 'renegotiation_info' || name === 'extended_master_secret') continue;
    test(`D9: ${name} is refused with unsupported_extension`, () => {
      const client = clientThatGot([answer ?? offer], config);
      assert.equal(client.failure, 'unsupported-extension');
      assert.equal(alertOf(client), AlertDescription.UnsupportedExtension);
    });
  }

  test('a raw public key, when certificates are offered only, is refused with unsupported_extension', () => {
    const credentials = certificateCredentials('client');
    for (const type of [ServerCertificateType, ClientCertificateType]) {
      const client = clientThatGot([{ type, data: Uint8Array.of(2) }], { credentials }, ecdsa);
      assert.equal(client.failure, 'unsupported-extension', `extension ${type}`);
      assert.equal(alertOf(client), AlertDescription.UnsupportedExtension);
    }
  });

  test('extended_master_secret is not put in by a server when the client does not offer it', () => {
    const { sent } = serverThatGot([], { extendedMasterSecret: 'preferred' });
    assert.equal(answered(sent).has(ExtensionType.ExtendedMasterSecret), false);
  });
});

suite('a server chooses what was not offered', () => {
  test('a certificate type out of the list, by value or by leaving the extension out', () => {
    const credentials = rawPublicKeyCredentials('client');
    for (const data of [0, 1, 3, 255]) {
      for (const type of [ServerCertificateType, ClientCertificateType]) {
        const client = clientThatGot([{ type, data: Uint8Array.of(data) }], { credentials }, ecdsa);
        assert.equal(client.failure, 'illegal-parameter', `extension ${type}, value ${data}`);
        assert.equal(alertOf(client), AlertDescription.IllegalParameter);
      }
    }
    // Without the extension the server shows a certificate, and those are not taken here.
    const client = clientThatGot([], { credentials }, ecdsa);
    assert.equal(client.failure, 'no-common-certificate-type');
    assert.equal(alertOf(client), AlertDescription.UnsupportedCertificate);
  });

  test('another application protocol, or two', () => {
    for (const names of [['y'], ['coap', 'x']]) {
      const client = clientThatGot([applicationProtocolsExtension(names)], { protocols: ['coap', 'x'] });
      assert.equal(client.failure, 'illegal-parameter', names.join());
    }
  });

  test('another max_fragment_length, or that and record_size_limit', () => {
    const config = { maxRecordSize: 512 };
    for (const extensions of [
      [maxFragmentLengthExtension(1024)],
      [maxFragmentLengthExtension(512), recordSizeLimitExtension(512)],
    ]) {
      assert.equal(clientThatGot(extensions, config).failure, 'illegal-parameter');
    }
    assert.equal(clientThatGot([maxFragmentLengthExtension(512)], config).failure, undefined);
  });

  test('rrc without connection_id', () => {
    const rrc = { type: ReturnRoutabilityCheck, data: noBytes };
    assert.equal(clientThatGot([rrc]).failure, 'illegal-parameter');
    assert.equal(clientThatGot([connectionIdExtension(noBytes), rrc]).failure, undefined);
  });
});

suite('a server answers with a malformed extension', () => {
  const credentials = { ...rawPublicKeyCredentials('client'), psk: true };
  for (const { name, answer, config, anyLength } of known) {
    if (answer === undefined) continue;
    test(`${name}: each other length ends the handshake, and the right one does not`, () => {
      const isTyped = name.endsWith('certificate_type');
      const settings = { ...config, ...(isTyped ? { credentials } : {}) };
      // ec_point_formats is offered with suites of ECDHE only.
      const suiteName = isTyped ? ecdsa : 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256';
      const beside = name === 'rrc' ? [connectionIdExtension(noBytes)] : [];
      const typed =
        name === 'client_certificate_type' ? [{ type: ServerCertificateType, data: Uint8Array.of(2) }] : [];
      const got = (extension: Extension): LonelyLayer =>
        clientThatGot([...beside, ...typed, extension], settings, suiteName, 'device.example');
      assert.equal(got(answer).failure, undefined, 'the right one');
      if (anyLength) return;
      for (const extension of misshapen(answer)) {
        // The list of extensions has it already.
        if (name === 'extended_master_secret') continue;
        const client = got(extension);
        assert.equal(client.failure, 'illegal-parameter', `${extension.data.length} bytes`);
        assert.equal(client.connected, false);
      }
    });
  }
});

suite('a client offers a malformed extension', () => {
  for (const { name, offer, anyLength } of known) {
    const others = name === 'extended_master_secret' ? [] : [extendedMasterSecretOffer];

    test(`${name}: each other length is refused with an alert, and the right one is taken`, () => {
      assert.equal(serverThatGot([...others, offer]).server.failure, undefined, 'the right one');
      if (anyLength) return;
      for (const extension of misshapen(offer)) {
        const { server, sent } = serverThatGot([...others, extension]);
        assert.equal(server.failure, 'illegal-parameter', `${extension.data.length} bytes`);
        const isRenegotiation = name === 'renegotiation_info';
        assert.equal(alertOf(server), isRenegotiation ? 40 : 47);
        assert.equal(sent.length, 1);
      }
    });

    test(`${name} twice is refused with illegal_parameter, alike or not`, () => {
      for (const second of [offer, { ...offer, data: Uint8Array.of(1, 0) }]) {
        const { server } = serverThatGot([...others, offer, second]);
        assert.equal(server.failure, 'illegal-parameter');
        assert.equal(alertOf(server), AlertDescription.IllegalParameter);
      }
    });
  }

  test('values out of range are refused with illegal_parameter', () => {
    for (const [type, ...data] of [
      [ExtensionType.MaxFragmentLength, 0],
      [ExtensionType.MaxFragmentLength, 5],
      [ExtensionType.RecordSizeLimit, 0, 63],
      [ExtensionType.EcPointFormats, 1, 1],
      [ExtensionType.SupportedGroups, 0, 0],
      [ExtensionType.SignatureAlgorithms, 0, 0],
      [ExtensionType.ClientCertificateType, 0],
      [ExtensionType.ServerName, 0, 0],
      [ExtensionType.ServerName, 0, 4, 0, 0, 1, 0],
      [ExtensionType.ServerName, 0, 8, 0, 0, 1, 0x61, 0, 0, 1, 0x62],
      [ExtensionType.ApplicationProtocols, 0, 0],
      [ExtensionType.ApplicationProtocols, 0, 1, 0],
    ] as const) {
      const { server } = serverThatGot([extendedMasterSecretOffer, { type, data: Uint8Array.from(data) }]);
      assert.equal(server.failure, 'illegal-parameter', `${type}: ${data}`);
    }
  });

  test('a cut or overlong list of extensions is no ClientHello, and is not answered', () => {
    const client = new ScriptedClient();
    const hello = client.hello(noBytes, 0);
    for (const body of [hello.body.slice(0, -1), concatBytes(hello.body, Uint8Array.of(0))]) {
      const server = new LonelyLayer('server');
      assert.deepEqual(server.give(client.messageRecord({ ...hello, body })), []);
    }
  });

  test('a connection id of 255 bytes is taken', () => {
    const { server, sent } = serverThatGot([
      extendedMasterSecretOffer,
      connectionIdExtension(new Uint8Array(255).fill(7)),
    ]);
    assert.equal(server.failure, undefined);
    assert.equal(answered(sent).get(ExtensionType.ConnectionId)?.length, 9);
  });
});

suite('what a server leaves out', () => {
  test('it answers no extension that the client did not send', () => {
    const { sent } = serverThatGot([extendedMasterSecretOffer], { maxRecordSize: 512, protocols: ['coap'] });
    assert.deepEqual([...answered(sent).keys()], [ExtensionType.ExtendedMasterSecret]);
  });

  test('rrc without connection_id is not answered', () => {
    const { sent } = serverThatGot([
      extendedMasterSecretOffer,
      { type: ReturnRoutabilityCheck, data: noBytes },
    ]);
    assert.deepEqual([...answered(sent).keys()], [ExtensionType.ExtendedMasterSecret]);
  });

  test('it asks for no certificate of a type that it does not take, or that the client does not have', () => {
    const server = rawPublicKeyCredentials('server');
    const beside = [supportedGroupsExtension(), signatureAlgorithmsExtension()];
    const rawServer = { type: ServerCertificateType, data: Uint8Array.of(1, 2) };
    for (const [offered, taken] of [
      [[], 'raw-public-key'],
      [[{ type: ClientCertificateType, data: Uint8Array.of(1, 2) }], 'x509'],
      [[{ type: ClientCertificateType, data: Uint8Array.of(1, 77) }], 'x509'],
    ] as const) {
      const extensions = [extendedMasterSecretOffer, ...beside, rawServer, ...offered];
      const requested = {
        ...server,
        peerTypes: [taken],
        clientAuthentication: 'requested',
      } as const;
      const { sent } = serverThatGot(extensions, { credentials: requested }, ecdsa);
      assert.equal(answered(sent).has(ClientCertificateType), false, taken);
      const types = messagesOf(sent).map(({ type }) => type);
      assert.ok(!types.includes(HandshakeType.CertificateRequest), `${taken}: ${types}`);
    }
  });
});

suite('max_fragment_length alone (RFC 6066 §4)', () => {
  for (const length of [512, 1024, 2048, 4096]) {
    test(`${length} is answered, and no record of the flight carries more`, () => {
      const server = new LonelyLayer('server', {
        pskIdentityHint: new Uint8Array(1024).fill(0x68),
        mtu: 16_384,
      });
      const client = new ScriptedClient({
        extensions: [extendedMasterSecretOffer, maxFragmentLengthExtension(length)],
      });
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      for (const { fragmentLength } of flight4.flatMap((datagram) => splitRecords(datagram).records)) {
        assert.ok(fragmentLength <= length);
      }
      const data = answered(flight4).get(ExtensionType.MaxFragmentLength);
      assert.deepEqual(data, Uint8Array.of([512, 1024, 2048, 4096].indexOf(length) + 1));
    });
  }
});

test('record_size_limit puts max_fragment_length aside (RFC 8449 §5)', () => {
  const { sent } = serverThatGot([
    extendedMasterSecretOffer,
    maxFragmentLengthExtension(512),
    recordSizeLimitExtension(1000),
  ]);
  const extensions = answered(sent);
  assert.equal(extensions.has(ExtensionType.MaxFragmentLength), false);
  assert.deepEqual(extensions.get(ExtensionType.RecordSizeLimit), Uint8Array.of(0x40, 0));
});

test('the server knows its name and says so (RFC 6066 §3)', () => {
  const server = rawPublicKeyCredentials('server');
  const offer = serverNameExtension('device.example') as Extension;
  const serverNames = new Map([['device.example', { ...server, psk: true }]]);
  const { sent } = serverThatGot([extendedMasterSecretOffer, offer], { serverNames });
  assert.deepEqual(answered(sent).get(ExtensionType.ServerName), noBytes);
  const unknown = serverNameExtension('other.example') as Extension;
  const other = serverThatGot([extendedMasterSecretOffer, unknown], { serverNames });
  assert.equal(answered(other.sent).has(ExtensionType.ServerName), false);
});

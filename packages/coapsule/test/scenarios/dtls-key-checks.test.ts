/**
 * What forged certificates and signatures cost: public-key work for messages that anybody can send, counted.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { signatureAlgorithmsExtension } from '../../src/core/dtls/handshake/extensions/signature-algorithms.ts';
import { supportedGroupsExtension } from '../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { encodeCertificate } from '../../src/core/dtls/handshake/messages/certificate.ts';
import { encodeCertificateVerify } from '../../src/core/dtls/handshake/messages/certificate-verify.ts';
import { encodeClientKeyExchange } from '../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import type { CryptoProvider, PublicKey } from '../../src/core/foundation/crypto-provider.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { certificateCredentials } from './dtls-credentials.ts';
import { DtlsPair } from './dtls-pair.ts';
import { cookieOf, LonelyLayer, ScriptedClient } from './dtls-scripted-peer.ts';

/** Counts keys that were read and signatures that were checked. */
class CountedWork {
  keys = 0;
  signatures = 0;
  readonly crypto: CryptoProvider = {
    ...nodeCrypto,
    publicKey: (spki) => {
      this.keys++;
      const key = nodeCrypto.publicKey(spki);
      return key && this.#counted(key);
    },
  };

  #counted(key: PublicKey): PublicKey {
    return {
      type: key.type,
      bits: key.bits,
      spki: key.spki,
      verify: (...signed) => {
        this.signatures++;
        return key.verify(...signed);
      },
    };
  }
}

const serverCredentials = { credentials: certificateCredentials('server') };
const clientCredentials = certificateCredentials('client');
const scheme = 0x0403;

/** A signature in the right form, another one for each number. */
function forgedVerify(number: number): Uint8Array {
  const signature = Uint8Array.of(0x30, 8, 2, 2, 1 + (number >> 8), number & 255, 2, 2, 1, 1);
  return encodeCertificateVerify({ scheme, signature });
}

function forgedCertificate(number: number): Uint8Array {
  const [leaf] = clientCredentials.certificate?.chain ?? [];
  assert.ok(leaf !== undefined);
  const broken = leaf.slice();
  // In the serial number, and the key is no key any more.
  broken[broken.length - 1] = number & 255;
  broken.fill(number & 255, 150, 200);
  return encodeCertificate({ kind: 'x509', chain: [broken] });
}

class ShowingClient extends ScriptedClient {
  constructor() {
    super({
      suite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
      extensions: [{ type: 23, data: noBytes }, signatureAlgorithmsExtension(), supportedGroupsExtension()],
    });
  }

  /** Up to the server's flight 4. */
  begin(server: LonelyLayer, from: PeerAddress): void {
    const [answer] = server.give(this.messageRecord(this.hello(noBytes, 0)), from);
    this.takeServerFlight(server.give(this.messageRecord(this.hello(cookieOf(answer), 1)), from));
  }

  /** Certificate and ClientKeyExchange as they should be. */
  show(server: LonelyLayer, from: PeerAddress): void {
    const chain = clientCredentials.certificate?.chain ?? [];
    const { publicKey } = nodeCrypto.keyShare('x25519');
    for (const [type, messageSeq, body] of [
      [HandshakeType.Certificate, 2, encodeCertificate({ kind: 'x509', chain })],
      [HandshakeType.ClientKeyExchange, 3, encodeClientKeyExchange({ publicKey })],
    ] as const) {
      server.give(this.messageRecord({ type, messageSeq, body }), from);
    }
  }

  /** One datagram with each of the bodies as the same message. */
  candidates(type: number, messageSeq: number, bodies: readonly Uint8Array[]): Uint8Array {
    const fragments = bodies.map((body) => encodeMessageFragment({ type, messageSeq, body }, 0, body.length));
    return this.record(ContentType.Handshake, concatBytes(...fragments));
  }
}

describe('public-key work after a refused message', () => {
  test('one datagram full of forged signatures costs two checks, and forty of them a second end the handshake after ten', () => {
    const work = new CountedWork();
    const server = new LonelyLayer('server', serverCredentials, 5, work.crypto);
    const client = new ShowingClient();
    client.begin(server, server.peer);
    client.show(server, server.peer);
    let number = 0;
    const datagram = (): Uint8Array =>
      client.candidates(
        HandshakeType.CertificateVerify,
        4,
        Array.from({ length: 50 }, () => forgedVerify(number++)),
      );
    server.give(datagram());
    assert.equal(work.signatures, 2);
    for (let ms = 0; ms < 60_000 && server.failure === undefined; ms += 25) {
      server.give(datagram());
      server.wait(25);
    }
    assert.equal(server.failure, 'bad-signature');
    assert.ok(work.signatures <= 1 + 4 + 5, `${work.signatures} checks`);
  });

  test('a candidate that was refused before is not tried again, and ends the handshake all the same when its peer insists', () => {
    const work = new CountedWork();
    const server = new LonelyLayer('server', serverCredentials, 5, work.crypto);
    const client = new ShowingClient();
    client.begin(server, server.peer);
    client.show(server, server.peer);
    const body = forgedVerify(7);
    for (let ms = 0; ms < 10_000 && server.failure === undefined; ms += 100) {
      server.give(client.candidates(HandshakeType.CertificateVerify, 4, [body]));
      server.wait(100);
    }
    assert.equal(server.failure, 'bad-signature');
    assert.equal(work.signatures, 1);
  });

  test('forged certificates without a good key are counted in the same way', () => {
    const work = new CountedWork();
    const server = new LonelyLayer('server', serverCredentials, 5, work.crypto);
    const client = new ShowingClient();
    client.begin(server, server.peer);
    for (let number = 0; number < 200; number++) {
      server.give(client.candidates(HandshakeType.Certificate, 2, [forgedCertificate(number)]));
    }
    assert.equal(server.failure, undefined);
    assert.ok(work.keys <= 5, `${work.keys} keys`);
  });

  test('all handshakes together make 300 such checks a second, besides the first of each', () => {
    const work = new CountedWork();
    const server = new LonelyLayer(
      'server',
      { ...serverCredentials, maxHandshakesPerHost: 1000 },
      5,
      work.crypto,
    );
    const clients = Array.from({ length: 200 }, (_, i) => {
      const client = new ShowingClient();
      const from = ipAddress(`192.0.2.${i}`, 5000);
      client.begin(server, from);
      client.show(server, from);
      return { client, from };
    });
    for (let number = 0; number < 10; number++) {
      for (const { client, from } of clients) {
        server.give(client.candidates(HandshakeType.CertificateVerify, 4, [forgedVerify(number)]), from);
      }
    }
    assert.equal(work.signatures, 200 + 300);
  });

  test('the right signature gets its turn: among forged ones every millisecond that came before it, and among four a second that go on', () => {
    for (const { everyMs, lastsMs } of [
      { everyMs: 1, lastsMs: 90 },
      { everyMs: 250, lastsMs: 60_000 },
    ]) {
      const pair = new DtlsPair({
        client: { credentials: clientCredentials },
        server: serverCredentials,
        conditions: { delayMs: 50 },
      });
      const forger = new ScriptedClient();
      let number = 0;
      pair.connect();
      // Flight 5 is on its way, and forged ones overtake it: the last message of it is what is forged.
      pair.run(10_000, () => pair.network.sent.length >= 5 && pair.client.all('verify-peer').length > 0);
      const end = pair.clock.now + lastsMs;
      while (!pair.bothConnected && pair.clock.now < end) {
        const body = forgedVerify(number++);
        const fragment = encodeMessageFragment(
          { type: HandshakeType.CertificateVerify, messageSeq: 4, body },
          0,
          body.length,
        );
        const datagram = forger.record(ContentType.Handshake, fragment);
        pair.server.layer.handle({ address: pair.client.address, datagram }, pair.clock.now);
        pair.drain(pair.server);
        pair.run(everyMs, () => pair.bothConnected);
      }
      pair.run(10_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `one every ${everyMs} ms for ${lastsMs} ms`);
      assert.ok(pair.server.all('discarded').some(({ reason }) => reason === 'unexpected-handshake-message'));
      assert.equal(pair.server.when('connected', pair.start), 250);
    }
  });
});

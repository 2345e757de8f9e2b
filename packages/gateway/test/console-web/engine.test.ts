/** The cryptography of the console's pages, against that of Node; and the library's engine on it. */

import assert from 'node:assert/strict';
import {
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { describe, test } from 'node:test';
import { ContextTable, deriveSecurityContext, FixedContext, unusedContext } from 'coapsule/oscore';
import { Pair, SeededRandom } from 'coapsule/testing';
import fc from 'fast-check';
import { AesCcm } from '../../console/engine/aes-ccm.ts';
import { browserSigningKey, fastCrypto } from '../../console/engine/browser-crypto.ts';
import { type HandshakeRun, runHandshake } from '../../console/engine/handshake-run.ts';
import { publicPoint, sharedSecret } from '../../console/engine/p-256.ts';
import { hmacSha256, Sha256, sha256 } from '../../console/engine/sha-256.ts';
import { type WireProtection, wireViews } from '../../console/engine/wire-view.ts';
import { handshakePlan } from '../../src/figures/handshake-steps.ts';
import { stepRadio } from '../../src/figures/radio-energy.ts';

const runs = process.env['COAPSULE_LONG'] === '1' ? 500 : 30;
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });

describe('the cryptography of the pages', () => {
  test('AES-CCM seals as Node does, for both lengths of keys, tags and nonces, and opens what it sealed', () => {
    fc.assert(
      fc.property(
        ...([fc.constantFrom(16, 32), fc.constantFrom(8, 16), fc.constantFrom(12, 13)] as const),
        ...([bytes(32, 32), bytes(13, 13), bytes(0, 40), bytes(0, 100)] as const),
        (keyLength, tagLength, nonceLength, key, nonceBytes, additionalData, text) => {
          const [own, nonce] = [key.subarray(0, keyLength), nonceBytes.subarray(0, nonceLength)];
          const cipher = createCipheriv(`aes-${8 * keyLength}-ccm` as 'aes-128-ccm', own, nonce, {
            authTagLength: tagLength,
          });
          cipher.setAAD(additionalData, { plaintextLength: text.length });
          const expected = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
          const aead = new AesCcm(own, tagLength as 8 | 16);
          const buffer = new Uint8Array(3 + text.length + tagLength);
          buffer.set(text, 3);
          aead.seal(nonce, additionalData, buffer, 3, text.length);
          assert.deepEqual(Buffer.from(buffer.subarray(3)), expected);
          const sealed = buffer.slice();
          sealed[sealed.length - 1]! ^= 1;
          const before = sealed.slice();
          assert.equal(aead.open(nonce, additionalData, sealed, 3, text.length + tagLength), -1);
          assert.deepEqual(sealed, before);
          assert.equal(aead.open(nonce, additionalData, buffer, 3, text.length + tagLength), text.length);
          assert.deepEqual(buffer.subarray(3, 3 + text.length), text);
        },
      ),
      { numRuns: runs },
    );
  });

  test('SHA-256 and HMAC are those of Node, also in pieces, and the hash goes on after a digest', () => {
    fc.assert(
      fc.property(fc.array(bytes(0, 150), { maxLength: 4 }), bytes(0, 100), (parts, key) => {
        const whole = Buffer.concat(parts);
        assert.deepEqual(Buffer.from(sha256(...parts)), createHash('sha256').update(whole).digest());
        assert.deepEqual(
          Buffer.from(hmacSha256(key, ...parts)),
          createHmac('sha256', key).update(whole).digest(),
        );
        const running = new Sha256();
        running.update(whole);
        running.digest();
        running.update(key);
        const expected = createHash('sha256').update(whole).update(key).digest();
        assert.deepEqual(Buffer.from(running.digest()), expected);
      }),
      { numRuns: runs },
    );
  });

  test('P-256 agrees and signs with Node, and refuses what is no point of the curve', () => {
    const own = fastCrypto().keyShare('secp256r1');
    const node = createECDH('prime256v1');
    node.generateKeys();
    assert.deepEqual(Buffer.from(own.agree(node.getPublicKey()) ?? []), node.computeSecret(own.publicKey));
    const off = Uint8Array.from(node.getPublicKey());
    off[64]! ^= 1;
    assert.equal(own.agree(off), undefined);
    const privateKey = Uint8Array.from(node.getPrivateKey());
    assert.deepEqual(Buffer.from(publicPoint(privateKey)), node.getPublicKey());
    assert.notEqual(sharedSecret(privateKey, own.publicKey), undefined);

    const key = browserSigningKey(privateKey);
    const publicKey = createPublicKey({ key: Buffer.from(key.publicKey.spki), format: 'der', type: 'spki' });
    const text = Buffer.from('72 bpm');
    const signature = key.sign('ecdsa_sha256', text);
    assert.ok(verify('sha256', text, publicKey, signature));
    assert.ok(key.publicKey.verify('ecdsa_sha256', signature, text));
    assert.ok(!key.publicKey.verify('ecdsa_sha256', signature, Buffer.from('73 bpm')));
    const jwk = publicKey.export({ format: 'jwk' });
    const nodeSignature = sign('sha256', text, {
      key: { ...jwk, d: Buffer.from(privateKey).toString('base64url') },
      format: 'jwk',
    });
    assert.ok(key.publicKey.verify('ecdsa_sha256', nodeSignature, text));
    assert.ok(!key.publicKey.verify('ecdsa_sha256', nodeSignature.subarray(1), text));
    assert.equal(fastCrypto().publicKey(key.publicKey.spki)?.bits, 256);
    assert.equal(fastCrypto().publicKey(key.publicKey.spki.subarray(1)), undefined);
  });

  test('X25519 agrees with Node, and refuses points of small order', () => {
    const own = fastCrypto().keyShare('x25519');
    const pair = generateKeyPairSync('x25519');
    const prefix = Buffer.from('302a300506032b656e032100', 'hex');
    const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(prefix.length);
    const ownKey = createPublicKey({
      format: 'der',
      type: 'spki',
      key: Buffer.concat([prefix, own.publicKey]),
    });
    assert.deepEqual(
      Buffer.from(own.agree(publicKey) ?? []),
      diffieHellman({ privateKey: pair.privateKey, publicKey: ownKey }),
    );
    assert.equal(own.agree(new Uint8Array(32)), undefined);
    assert.equal(own.agree(new Uint8Array(31)), undefined);
  });

  test('what it does not have it says', () => {
    assert.throws(
      () => fastCrypto().aead('AES_128_GCM', new Uint8Array(16)),
      /AES_128_GCM is not in the console/,
    );
    assert.throws(() => fastCrypto().digest('SHA-384'), /SHA-384 is not/);
    assert.throws(() => fastCrypto().keyShare('secp384r1'), /secp384r1 is not/);
  });
});

const usual: HandshakeRun = { mode: 'psk', resumption: false, roundTripMs: 20, loss: 0, seed: 1 };

describe('a handshake for real', () => {
  for (const mode of ['psk', 'certificate'] as const) {
    for (const resumption of [false, true]) {
      test(`with ${mode}${resumption ? ', resumed,' : ''} has the flights, bytes and times of the step explorer`, () => {
        const run = runHandshake({ ...usual, mode, resumption });
        const plan = handshakePlan({
          ...{ mode: mode === 'psk' ? 'dtls-psk' : 'dtls-certificate', cookie: true, resumption },
          ...{ roundTripMs: 20, radio: stepRadio },
        });
        assert.equal(run.resumed, resumption);
        assert.equal(run.datagrams.length, plan.steps.length);
        plan.steps.forEach((step, index) => {
          const datagram = run.datagrams[index]!;
          assert.equal(datagram.from, step.from);
          assert.equal(datagram.atMs, step.startMs);
          // Signatures differ by a few bytes.
          const slack = datagram.messages.some((name) => /ServerKeyExchange|CertificateVerify/.test(name))
            ? 6
            : 0;
          assert.ok(
            Math.abs(datagram.bytes.length - step.bytes) <= slack,
            `${datagram.bytes.length}, ${step.bytes}`,
          );
          if (datagram.isHandshake) {
            assert.deepEqual(
              datagram.messages,
              step.messages.filter((name) => name !== 'with the cookie'),
            );
          }
        });
        assert.equal(run.connectedMs, plan.handshakeMs);
        assert.equal(run.answeredMs, plan.firstAnswerMs);
      });
    }
  }

  test('with loss sends again, the same way for the same seed', () => {
    const lossy = Array.from({ length: 8 }, (_, seed) => runHandshake({ ...usual, loss: 0.3, seed }));
    assert.ok(lossy.some(({ datagrams }) => datagrams.some(({ isLost }) => isLost)));
    assert.ok(lossy.some(({ datagrams }) => datagrams.some(({ isRepeated }) => isRepeated)));
    const again = runHandshake({ ...usual, loss: 0.3, seed: 5 });
    assert.deepEqual(
      again.datagrams.map(({ atMs, messages }) => [atMs, messages]),
      lossy[5]!.datagrams.map(({ atMs, messages }) => [atMs, messages]),
    );
  });

  test('on a serial line takes the time that its bytes take', () => {
    const slow = runHandshake({ ...usual, baud: 9600 });
    assert.ok((slow.answeredMs ?? 0) > 80 + 500, String(slow.answeredMs));
  });
});

describe('what the wire shows of a reading', () => {
  const views = wireViews({ path: '/ward-3/bed-12/heart-rate', value: '72 bpm' });
  const view = (protection: WireProtection) => views.find((one) => one.protection === protection)!;
  const textOf = (protection: WireProtection): string =>
    Buffer.from(view(protection).bytes).toString('latin1');

  test('each byte is in one field, in order', () => {
    for (const { bytes: all, fields } of views) {
      assert.equal(
        fields.reduce((at, { start, end }) => {
          assert.equal(start, at);
          return end;
        }, 0),
        all.length,
      );
    }
  });

  test('plain shows all; the payload alone encrypted still shows ward, bed and what is measured', () => {
    assert.match(textOf('plain'), /ward-3.*heart-rate.*72 bpm/s);
    assert.match(textOf('payload-only'), /ward-3.*bed-12.*heart-rate/s);
    assert.doesNotMatch(textOf('payload-only'), /72 bpm/);
    assert.deepEqual(
      view('payload-only')
        .fields.filter(({ value }) => value === undefined)
        .map(({ name }) => name),
      ['payload'],
    );
  });

  test('what each way adds is what its rules say, and the rest is token, format and block', () => {
    assert.deepEqual(
      wireViews({ path: '/ward-3/bed-12/heart-rate', value: '72 bpm' }).map(
        ({ protection, extraBytes, protectionBytes }) => [protection, extraBytes, protectionBytes],
      ),
      [
        ['plain', 0, 0],
        // The Content-Format says that it is bytes, and takes one itself.
        ['payload-only', 22, 21],
        // The token is 3 bytes shorter inside a record.
        ['dtls', 26, 29],
        // Block2 asks for a body in blocks.
        ['oscore', 16, 14],
      ],
    );
  });

  test('under DTLS and OSCORE neither path nor value nor method is there', () => {
    for (const protection of ['dtls', 'oscore'] as const) {
      assert.doesNotMatch(textOf(protection), /ward|bed|heart|bpm/);
      assert.ok(view(protection).fields.every(({ name, value }) => name !== 'Uri-Path' && value !== 'PUT'));
    }
  });
});

test('plain requests and those under OSCORE are as large as the step explorer says', () => {
  const security = (side: 'client' | 'server'): FixedContext => {
    const ids = [Uint8Array.of(1), new Uint8Array()] as const;
    const [senderId, recipientId] = side === 'client' ? ids : ([ids[1], ids[0]] as const);
    const parameters = { masterSecret: new Uint8Array(16), senderId, recipientId };
    const sources = { crypto: fastCrypto(), random: new SeededRandom(1) };
    return new FixedContext(
      deriveSecurityContext(sources, parameters, unusedContext, { dangerouslyVolatile: true }),
    );
  };
  for (const mode of ['none', 'oscore'] as const) {
    const pair = new Pair({
      oscore: () => {
        const table = new ContextTable();
        table.add(security('server'));
        return table;
      },
    });
    const request = pair.request('/ward-3/heart-rate', mode === 'none' ? {} : { oscore: security('client') });
    pair.runUntil(() => request.final);
    const plan = handshakePlan({
      ...{ mode, cookie: false, resumption: false },
      ...{ roundTripMs: 20, radio: stepRadio },
    });
    assert.deepEqual(
      pair.network.sent.map(({ datagram }) => datagram.length),
      plan.steps.map(({ bytes: count }) => count),
      mode,
    );
  }
});

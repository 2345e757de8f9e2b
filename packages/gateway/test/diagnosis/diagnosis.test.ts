/** A capture for each fault that is looked for, which is the first that is found; and clean ones, in which nothing is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, encodeBlock, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { nodeCrypto, systemRandom } from 'coapsule/node';
import {
  type ContextParameters,
  ContextTable,
  deriveSecurityContext,
  FixedContext,
  protectRequest,
  type SecurityContext,
} from 'coapsule/oscore';
import { Pair, type PairOptions } from 'coapsule/testing';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { ipPacket } from '../../src/capture/ip-packet.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { Diagnosis } from '../../src/diagnosis/diagnosis.ts';
import type { FindingKind } from '../../src/diagnosis/finding.ts';
import { CaptureFixture, device, gateway } from './capture-fixture.ts';

const token = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const path = (...segments: string[]): readonly (readonly [number, string])[] =>
  segments.map((segment) => [OptionNumber.UriPath, segment] as const);

/** A request that is answered at once. */
function exchange(
  fixture: CaptureFixture,
  atMs: number,
  id: number,
  request: Parameters<CaptureFixture['message']>[3],
  answer: Parameters<CaptureFixture['message']>[3],
): void {
  const own = token(9, id >> 8, id & 0xff, 1);
  fixture.message(device, gateway, atMs, { token: own, messageId: id, ...request });
  fixture.message(gateway, device, atMs + 20, { token: own, messageId: id, type: 'ACK', ...answer });
}

/** RFC 8613 Appendix C.1 and C.4. */
const c1 = {
  masterSecret: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
  masterSalt: Uint8Array.from(Buffer.from('9e7ca92223786340', 'hex')),
  senderId: new Uint8Array(),
  recipientId: token(1),
};
const c4 = Uint8Array.from(
  Buffer.from('44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e', 'hex'),
);

const fixtures: Readonly<Record<FindingKind, () => CaptureFixture>> = {
  'token-unknown': () => {
    const fixture = new CaptureFixture();
    exchange(fixture, 0, 1, { options: path('temperature') }, { code: Code.Content, payload: '21' });
    return fixture.message(gateway, device, 500, {
      ...{ type: 'NON', code: Code.Content, token: token(7, 7, 7, 7), payload: '22' },
      options: [[OptionNumber.Observe, 12]],
    });
  },
  'token-reused': () => {
    const same = token(0xaa);
    return new CaptureFixture()
      .message(device, gateway, 0, { messageId: 1, token: same, options: path('temperature') })
      .message(device, gateway, 100, { messageId: 2, token: same, options: path('humidity') })
      .message(gateway, device, 150, { messageId: 1, type: 'ACK', token: same, code: Code.Content })
      .message(gateway, device, 160, { messageId: 2, type: 'ACK', token: same, code: Code.Content });
  },
  'token-shared-by-observations': () => {
    const fixture = new CaptureFixture();
    const same = token(0xaa);
    for (const [index, name] of ['temperature', 'humidity'].entries()) {
      const observe = [OptionNumber.Observe, 0] as const;
      fixture.message(device, gateway, index * 500, {
        ...{ messageId: index + 1, token: same },
        options: [observe, ...path(name)],
      });
      fixture.message(gateway, device, index * 500 + 20, {
        ...{ messageId: index + 1, type: 'ACK', token: same, code: Code.Content },
        options: [[OptionNumber.Observe, 12 + index]],
      });
    }
    return fixture;
  },
  'message-id-reused': () => {
    const fixture = new CaptureFixture();
    exchange(fixture, 0, 77, { options: path('a') }, { code: Code.Content });
    fixture.message(device, gateway, 1000, { messageId: 77, token: token(5), options: path('b') });
    return fixture.message(gateway, device, 1020, {
      ...{ messageId: 77, type: 'ACK', token: token(5), code: Code.Content },
    });
  },
  'retransmission-fixed-interval': () => {
    const fixture = new CaptureFixture();
    for (const atMs of [0, 2000, 4000, 6000, 8000]) {
      fixture.message(device, gateway, atMs, { messageId: 1, options: path('a') });
    }
    return fixture;
  },
  'retransmission-too-fast': () => {
    const fixture = new CaptureFixture();
    for (const atMs of [0, 300, 900, 2100]) {
      fixture.message(device, gateway, atMs, { messageId: 1, options: path('a') });
    }
    return fixture;
  },
  'retransmission-without-jitter': () => {
    const fixture = new CaptureFixture();
    for (let id = 1; id <= 8; id++) {
      const request = { messageId: id, token: token(id), options: path('a') };
      fixture.message(device, gateway, id * 60_000, request);
      fixture.message(device, gateway, id * 60_000 + 2000, request);
      fixture.message(gateway, device, id * 60_000 + 2020, {
        ...{ messageId: id, token: token(id), type: 'ACK', code: Code.Content },
      });
    }
    return fixture;
  },
  'retransmission-after-acknowledgement': () => {
    const fixture = new CaptureFixture();
    exchange(fixture, 0, 1, { options: path('a') }, { code: Code.Content });
    for (const atMs of [2500, 7500]) {
      fixture.message(device, gateway, atMs, {
        ...{ messageId: 1, token: token(9, 0, 1, 1), options: path('a') },
      });
    }
    return fixture;
  },
  'datagram-over-mtu': () =>
    new CaptureFixture().message(gateway, device, 0, {
      ...{ type: 'NON', code: Code.Content, payload: new Uint8Array(1400) },
    }),
  'ip-fragments': () => fragmented(),
  'block-transfer-incomplete': () => {
    const fixture = new CaptureFixture();
    for (let num = 0; num < 4; num++) {
      const block = encodeBlock({ num, more: true, szx: 2 });
      exchange(
        fixture,
        num * 100,
        num + 1,
        {
          ...{ code: Code.Put, payload: new Uint8Array(64) },
          options: [...path('firmware'), [OptionNumber.Block1, block]],
        },
        { code: Code.Continue, options: [[OptionNumber.Block1, block]] },
      );
    }
    exchange(fixture, 600_000, 99, { options: path('a') }, { code: Code.Content });
    return fixture;
  },
  'block-size-reserved': () =>
    new CaptureFixture().message(device, gateway, 0, {
      options: [...path('a'), [OptionNumber.Block2, Uint8Array.of(7)]],
    }),
  'block-missing-under-dtls': () => {
    // An endpoint that believes in more than the link carries: its block fits, but not what DTLS adds.
    const large = { mtu: 1400, blockSize: 1024 };
    const pair = new Pair({
      ...{ security: 'dtls', client: large, server: large },
      handler: () => ({ code: Code.Changed }),
    });
    const request = pair.request('/a', {
      ...{ code: Code.Put, payload: new Uint8Array(1024) },
      options: new OptionSet().add(OptionNumber.UriPath, 'a').add(OptionNumber.UriQuery, 'q'.repeat(180)),
    });
    pair.runUntil(() => request.final);
    return new CaptureFixture().pair(pair);
  },
  'method-answered-not-implemented': () => {
    const fixture = new CaptureFixture();
    exchange(fixture, 0, 1, { code: Code.Patch, options: path('a') }, { code: Code.NotImplemented });
    return fixture;
  },
  'unauthorized-without-security': () => {
    const fixture = new CaptureFixture();
    exchange(fixture, 0, 1, { options: path('lock') }, { code: Code.Unauthorized });
    return fixture;
  },
  'valid-without-etag': () => {
    const fixture = new CaptureFixture();
    const ifMatch = [OptionNumber.IfMatch, Uint8Array.of(1, 2)] as const;
    exchange(fixture, 0, 1, { options: [ifMatch, ...path('config')] }, { code: Code.Valid });
    return fixture;
  },
  'max-age-ignored': () => {
    const fixture = new CaptureFixture();
    const later = { code: Code.ServiceUnavailable, options: [[OptionNumber.MaxAge, 30] as const] };
    exchange(fixture, 0, 1, { options: path('a') }, later);
    exchange(fixture, 2000, 2, { options: path('a') }, later);
    return fixture;
  },
  'confirmable-telemetry': () => {
    const fixture = new CaptureFixture();
    for (let n = 1; n <= 30; n++) {
      exchange(
        fixture,
        n * 30_000,
        n,
        { code: Code.Put, options: path('sensors', 'temp'), payload: '21.5' },
        { code: Code.Changed },
      );
    }
    return fixture;
  },
  'non-confirmable-command': () =>
    new CaptureFixture().message(device, gateway, 0, {
      ...{ type: 'NON', code: Code.Put, options: path('door', 'lock'), payload: 'unlock' },
    }),
  'association-forgotten': () => {
    const pair = new Pair({ security: 'dtls', handler: () => ({ code: Code.Changed }) });
    const first = pair.request('/a');
    pair.runUntil(() => first.final);
    const fixture = new CaptureFixture().pair(pair);
    // The device wakes with the copy of its association that it had before: the same numbers again.
    const records = pair.network.sent.filter(
      ({ from, datagram }) => from.port === device.port && datagram[0] !== 22,
    );
    for (let wake = 1; wake <= 24; wake++) {
      fixture.datagram(device, gateway, wake * 3_600_000, records.at(-1)!.datagram);
    }
    return fixture;
  },
  'pre-shared-key-wrong': () => failing({ psk: { identity: 'sensor-042', key: new Uint8Array(16) } }),
  'identity-unknown': () => {
    const pair = new Pair({ security: 'dtls', psk: { identity: 'sensor-999', key: new Uint8Array(16) } });
    pair.request('/a');
    pair.run(100);
    // Alert fatal unknown_psk_identity (115), as servers send it that tell.
    const alert = Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 115);
    return new CaptureFixture().pair(pair).datagram(gateway, device, 200, alert);
  },
  'no-common-suite': () =>
    failing({
      client: { dtls: { suites: ['TLS_PSK_WITH_AES_256_GCM_SHA384'] } },
      server: { dtls: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } },
    }),
  'connection-id-lost': () => {
    const pair = new Pair({ security: 'dtls', handler: () => ({ code: Code.Changed }) });
    const request = pair.request('/a');
    pair.runUntil(() => request.final);
    const fixture = new CaptureFixture().pair(pair);
    const elsewhere = { host: device.host, port: 51_000 };
    for (let n = 0; n < 3; n++) {
      fixture.datagram(
        elsewhere,
        gateway,
        60_000 + n * 3000,
        Uint8Array.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9 + n, 0, 20, ...new Uint8Array(20)]),
      );
    }
    return fixture;
  },
  'cookie-loop': () => {
    const pair = new Pair({ security: 'dtls' });
    pair.request('/a');
    pair.run(500);
    const [hello, verify] = pair.network.sent.map(({ datagram }) => datagram);
    const fixture = new CaptureFixture();
    for (let n = 0; n < 5; n++) {
      fixture.datagram(device, gateway, n * 1000, hello!).datagram(gateway, device, n * 1000 + 20, verify!);
    }
    return fixture;
  },
  'oscore-replay': () => oscore(Code.Unauthorized, 'Replay detected'),
  'oscore-context-unknown': () => oscore(Code.Unauthorized, 'Security context not found'),
  'oscore-decryption-failed': () => oscore(Code.BadRequest, 'Decryption failed'),
  // RFC 8613 Appendix C.4, and its context with another Master Salt.
  'oscore-context-mismatch': () =>
    new CaptureFixture().datagram(device, gateway, 0, c4).knowing({
      ...{ name: 'client.conf', parameters: { ...c1, masterSalt: token(1) } },
    }),
  'observer-gone': () => {
    const fixture = new CaptureFixture();
    const own = token(3, 1, 4, 1);
    const observe = (value: number): readonly (readonly [number, number])[] => [
      [OptionNumber.Observe, value],
    ];
    fixture.message(device, gateway, 0, {
      ...{ messageId: 1, token: own, options: [...observe(0), ...path('temperature')] },
    });
    fixture.message(gateway, device, 20, {
      ...{ type: 'ACK', messageId: 1, token: own, code: Code.Content, options: observe(1) },
    });
    for (let n = 1; n <= 4; n++) {
      fixture.message(gateway, device, n * 30_000, {
        ...{ type: 'NON', messageId: 100 + n, token: own, code: Code.Content, options: observe(1 + n) },
      });
      fixture.message(device, gateway, n * 30_000 + 20, {
        ...{ type: 'RST', code: 0, messageId: 100 + n, token: token() },
      });
    }
    return fixture;
  },
  amplification: () => {
    const fixture = new CaptureFixture();
    exchange(
      fixture,
      0,
      1,
      { type: 'NON', options: path('.well-known', 'core') },
      { type: 'NON', code: Code.Content, payload: new Uint8Array(1100) },
    );
    return fixture;
  },
};

/** A datagram that IP cut: IPv4 fragments of 1480 bytes. */
function fragmented(): CaptureFixture {
  const payload = encodeMessage({
    ...{ type: 'NON', code: Code.Content, messageId: 1, token: token(1) },
    ...{ options: new OptionSet(), payload: new Uint8Array(3000) },
  });
  const fixture = new CaptureFixture();
  const whole = ipPacket({ source: gateway, destination: device, payload })!;
  for (let offset = 0; offset < whole.length - 20; offset += 1480) {
    const body = whole.subarray(20 + offset, 20 + offset + 1480);
    const packet = new Uint8Array(20 + body.length);
    packet.set(whole.subarray(0, 20));
    packet.set(body, 20);
    const view = new DataView(packet.buffer);
    view.setUint16(2, packet.length);
    view.setUint16(6, (offset + 1480 < whole.length - 20 ? 0x2000 : 0) | (offset / 8));
    fixture.packet(offset, packet);
  }
  return fixture;
}

/** A handshake that comes to nothing. */
function failing(options: PairOptions): CaptureFixture {
  const pair = new Pair({ security: 'dtls', ...options });
  const request = pair.request('/a');
  pair.runUntil(() => request.error !== undefined);
  assert.ok(request.error);
  return new CaptureFixture().pair(pair);
}

/** A request under OSCORE, and the answer that is an error. */
function oscore(code: number, text: string): CaptureFixture {
  const fixture = new CaptureFixture();
  const option = [OptionNumber.Oscore, Uint8Array.of(9, 5, 1)] as const;
  exchange(
    fixture,
    0,
    1,
    { code: Code.Post, options: [option], payload: new Uint8Array(20) },
    { code, payload: text },
  );
  return fixture;
}

describe('a fault is named, first of all', () => {
  for (const [kind, make] of Object.entries(fixtures)) {
    test(kind, () => {
      // An IPv6 path may carry no more than 1280 bytes, and that is what these are too large for.
      const findings = make().findings(/mtu|dtls/.test(kind) ? 'ethernet' : undefined);
      assert.equal(findings[0]?.kind, kind, JSON.stringify(findings.map((finding) => finding.kind)));
      const [{ frames, evidence, cause, consequence, fix, reference }] = findings as [(typeof findings)[0]];
      assert.ok(frames.length > 0);
      for (const text of [evidence, cause, consequence, fix, reference]) {
        assert.doesNotMatch(text, /undefined|NaN|Infinity/);
        assert.notEqual(text, '');
      }
    });
  }
});

describe('OSCORE with its context', () => {
  const known = { name: 'client.conf', parameters: c1 };
  /** C.4 again, with another Message ID. */
  const again = Uint8Array.from(c4);
  again[3] = 0x20;

  test('a request with a number of before is a replay; a retransmission, and one to another server, are not', () => {
    const other = { host: '192.0.2.3', port: 5683 };
    const kinds = (fixture: CaptureFixture): readonly (readonly [string, readonly number[]])[] =>
      fixture
        .knowing(known)
        .findings()
        .map(({ kind, frames }) => [kind, frames] as const);
    const first = (): CaptureFixture => new CaptureFixture().datagram(device, gateway, 0, c4);
    assert.deepEqual(kinds(first().datagram(device, gateway, 2500, c4)), []);
    assert.deepEqual(kinds(first().datagram(gateway, other, 20, again)), []);
    assert.deepEqual(kinds(first().datagram(device, gateway, 60_000, again)), [['oscore-replay', [2]]]);
    assert.deepEqual(kinds(first().datagram(device, gateway, 300_000, c4)), [['oscore-replay', [2]]]);
  });

  test('rules look at the message inside', () => {
    const context = (parameters: ContextParameters): SecurityContext =>
      deriveSecurityContext({ crypto: nodeCrypto, random: systemRandom }, parameters, unused, {
        dangerouslyVolatile: true,
      });
    const unused = { senderEdge: 0, recipientEdge: 0 };
    const options = new OptionSet().add(OptionNumber.UriPath, 'lock');
    const inner = { code: Code.Put, options, payload: new TextEncoder().encode('open') };
    const secured = protectRequest(context(c1), inner);
    assert.ok(secured.kind === 'protected');
    const datagram = encodeMessage({ type: 'NON', messageId: 1, token: token(1), ...secured.message });
    const fixture = new CaptureFixture().datagram(device, gateway, 0, datagram);
    assert.deepEqual(fixture.findings(), []);
    assert.deepEqual(
      fixture
        .knowing(known)
        .findings()
        .map(({ kind, evidence }) => [kind, evidence]),
      [['non-confirmable-command', '1 Non-confirmable messages to /lock']],
    );
  });
});

describe('captures of others', () => {
  const captures = join(import.meta.dirname, '../vectors/captures');
  const diagnose = (name: string, key: string): readonly (readonly [string, number])[] => {
    const decoder = new CaptureDecoder(new KnownSecrets([{ key: Buffer.from(key, 'hex') }]));
    const diagnosis = new Diagnosis();
    for (const packet of readCapture(readFileSync(join(captures, name))).packets) {
      diagnosis.see(decoder.decode(packet));
    }
    return diagnosis.findings().map(({ kind, count }) => [kind, count] as const);
  };

  test('a cloud that answers 2.03 to each POST is told so', () => {
    const key = '3639616631363835626139303830626539303739323237323863316539376335';
    assert.deepEqual(diagnose('golioth_basics_psk.pcapng', key), [['valid-without-etag', 36]]);
  });

  test('a download in blocks, CoAP among TCP, and handshakes have none', () => {
    const key = '3234363835646335663162323237366138663433303038653230633062653932';
    for (const name of ['golioth_ota_download.pcapng', 'ndpi-coap_mqtt.pcap', 'zeek-dtls1_2.pcap']) {
      assert.deepEqual(diagnose(name, key), [], name);
    }
  });
});

describe('clean traffic has no finding', () => {
  const hour = 3_600_000;

  for (const security of ['none', 'dtls'] as const) {
    for (const lossRate of [0, 0.1]) {
      test(`an hour of readings, ${security}, ${lossRate * 100} % of loss`, () => {
        const pair = new Pair({
          ...{ security, seed: 5, conditions: { lossRate, jitterMs: 40, delayMs: 20 } },
          handler: () => ({ code: Code.Changed }),
        });
        const end = pair.now + hour;
        for (let n = 0; pair.now < end; n++) {
          pair.request('/sensors/temp', {
            ...{ code: Code.Put, payload: new TextEncoder().encode(String(20 + (n % 10))) },
            type: n % 10 === 0 ? 'CON' : 'NON',
          });
          pair.run(30_000);
        }
        const fixture = new CaptureFixture().pair(pair);
        assert.deepEqual(fixture.findings(), []);
      });
    }
  }

  for (const security of ['none', 'dtls'] as const) {
    test(`an hour of readings, observations and blocks under OSCORE, ${security}, with loss, looked into`, () => {
      const end = (of: ContextParameters): FixedContext =>
        new FixedContext(
          deriveSecurityContext(
            { crypto: nodeCrypto, random: systemRandom },
            of,
            { senderEdge: 0, recipientEdge: 0 },
            { dangerouslyVolatile: true },
          ),
        );
      const [client, server] = [c1, { ...c1, senderId: c1.recipientId, recipientId: c1.senderId }].map(
        end,
      ) as [FixedContext, FixedContext];
      const pair = new Pair({
        ...{ security, seed: 7, conditions: { lossRate: 0.1, jitterMs: 40, delayMs: 20 } },
        oscore: () => {
          const table = new ContextTable();
          table.add(server);
          return table;
        },
        handler: ({ code }) =>
          code === Code.Get ? { code: Code.Content, payload: 'x'.repeat(1500) } : { code: Code.Changed },
      });
      const until = pair.now + hour;
      for (let n = 0; pair.now < until; n++) {
        const isLarge = n % 10 === 9;
        pair.request(isLarge ? '/config' : '/sensors/temp', {
          oscore: client,
          ...(isLarge
            ? { code: Code.Get }
            : { code: Code.Put, payload: new TextEncoder().encode(`2${n % 10}`) }),
          type: n % 3 === 0 ? 'CON' : 'NON',
        });
        pair.run(30_000);
      }
      const fixture = new CaptureFixture().pair(pair).knowing({ name: 'client.conf', parameters: c1 });
      assert.deepEqual(fixture.findings(), []);
    });
  }

  test('a body whose blocks are asked for with a token each', () => {
    const fixture = new CaptureFixture();
    for (let num = 0; num < 4; num++) {
      const asked =
        num === 0 ? [] : [[OptionNumber.Block2, encodeBlock({ num, more: false, szx: 2 })] as const];
      const block = encodeBlock({ num, more: num < 3, szx: 2 });
      exchange(
        fixture,
        num * 100,
        num + 1,
        { options: [...path('large'), ...asked] },
        { code: Code.Content, options: [[OptionNumber.Block2, block]], payload: new Uint8Array(64) },
      );
    }
    exchange(fixture, 600_000, 99, { options: path('a') }, { code: Code.Content });
    assert.deepEqual(fixture.findings(), []);
  });

  test('a large body up and down in blocks', () => {
    const body = new Uint8Array(20_000).fill(65);
    const pair = new Pair({
      ...{ seed: 2, conditions: { lossRate: 0.05 } },
      handler: ({ code }) =>
        code === Code.Get ? { code: Code.Content, payload: body } : { code: Code.Changed },
    });
    for (const request of [{ code: Code.Put, payload: body }, { code: Code.Get }]) {
      const asked = pair.request('/storage', request);
      assert.ok(pair.runUntil(() => asked.final || asked.error !== undefined));
      assert.equal(asked.error, undefined);
    }
    pair.run(600_000);
    assert.deepEqual(new CaptureFixture().pair(pair).findings(), []);
  });

  test('a device that changes its address, and one that shakes hands again', () => {
    const pair = new Pair({ security: 'dtls', handler: () => ({ code: Code.Changed }) });
    for (let n = 0; n < 20; n++) {
      if (n % 5 === 4) pair.restart('client');
      const request = pair.request('/a');
      assert.ok(pair.runUntil(() => request.final));
      pair.run(60_000);
    }
    assert.deepEqual(new CaptureFixture().pair(pair).findings(), []);
  });
});

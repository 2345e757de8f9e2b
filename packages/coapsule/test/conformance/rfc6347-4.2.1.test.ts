import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CookieSource } from '../../src/core/dtls/handshake/cookie.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import {
  encodeMessageFragment,
  type HandshakeMessage,
} from '../../src/core/dtls/handshake/message-header.ts';
import { encodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import {
  cookieOf,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from '../scenarios/dtls-scripted-peer.ts';

const nothing = { associations: 0, handshakes: 0, keptBytes: 0 };

/** The records of one ClientHello in fragments of at most `size` bytes. */
function fragments(client: ScriptedClient, hello: HandshakeMessage, size: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let offset = 0; offset < hello.body.length; offset += size) {
    const length = Math.min(size, hello.body.length - offset);
    records.push(client.record(22, encodeMessageFragment(hello, offset, length)));
  }
  return records;
}

suite('RFC 6347 §4.2.1: the server', () => {
  test('answers a ClientHello without a cookie with a HelloVerifyRequest, and keeps nothing', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.messageRecord(client.hello(noBytes, 0));
    const sent = server.give(hello);
    assert.equal(sent.length, 1);
    assert.deepEqual(server.layer.usage, nothing);
    assert.equal(server.layer.nextTimeout(), undefined);
    assert.equal(cookieOf(sent[0]).length, 32);
  });

  test('SHOULD use DTLS version 1.0 in the HelloVerifyRequest', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    assert.deepEqual(answer?.subarray(25, 27), Uint8Array.of(0xfe, 0xff));
    assert.deepEqual(answer?.subarray(1, 3), Uint8Array.of(0xfe, 0xff));
  });

  test('MUST use the record sequence number of the ClientHello in the HelloVerifyRequest and the first ServerHello', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    client.recordSequence = 0x0102030405;
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    assert.deepEqual(answer?.subarray(5, 11), Uint8Array.of(0, 1, 2, 3, 4, 5));
    const [flight4] = server.give(client.messageRecord(client.hello(cookieOf(answer), 1)));
    assert.equal(flight4?.[13], HandshakeType.ServerHello);
    assert.deepEqual(flight4?.subarray(5, 11), Uint8Array.of(0, 1, 2, 3, 4, 6));
    // RFC 6347 §4.2.2: HelloVerifyRequest has message_seq 0, ServerHello 1.
    assert.deepEqual(answer?.subarray(17, 19), Uint8Array.of(0, 0));
    assert.deepEqual(flight4?.subarray(17, 19), Uint8Array.of(0, 1));
  });

  test('SHOULD treat an invalid cookie like none: any length from 0 to 255 gets a HelloVerifyRequest', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    for (let length = 0; length <= 255; length++) {
      const [answer] = server.give(client.messageRecord(client.hello(new Uint8Array(length).fill(3), 1)));
      assert.equal(cookieOf(answer).length, 32, `length ${length}`);
    }
    assert.deepEqual(server.layer.usage, nothing);
  });

  test('D10: ignores a cookie that is shorter or longer than its length says, for all lengths', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const whole = client.hello(new Uint8Array(255), 0);
    for (let said = 0; said <= 255; said++) {
      for (const there of [0, 1, 16, 31, 32, 33, 254, 255]) {
        const body = whole.body.slice(0, 36 + there);
        body[35] = said;
        const sent = server.give(client.messageRecord({ ...whole, body }));
        assert.ok(sent.length <= 1);
      }
    }
    assert.deepEqual(server.layer.usage, nothing);
  });

  test('D10: refuses a cookie from another address, with another random, session id, suites or extensions', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    const cookie = cookieOf(answer);
    const good = client.messageRecord(client.hello(cookie, 1));
    for (const address of [ipAddress('192.0.2.1', 40_001), ipAddress('192.0.2.3', 40_000)]) {
      assert.equal(server.give(good, address)[0]?.[13], HandshakeType.HelloVerifyRequest);
    }
    const others = [
      new ScriptedClient({ seed: 0x12 }),
      new ScriptedClient({ sessionId: Uint8Array.of(1) }),
      new ScriptedClient({ cipherSuites: [0xc0a8, 0xc0a4] }),
      new ScriptedClient({ extensions: [] }),
    ];
    for (const other of others) {
      const [again] = server.give(other.messageRecord(other.hello(cookie, 1)));
      assert.equal(again?.[13], HandshakeType.HelloVerifyRequest);
    }
    assert.deepEqual(server.layer.usage, nothing);
    assert.equal(server.give(good)[0]?.[13], HandshakeType.ServerHello);
  });

  test('refuses a cookie with any single bit changed', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    for (let bit = 0; bit < 256; bit++) {
      const cookie = cookieOf(answer);
      cookie[bit >> 3] = (cookie[bit >> 3] as number) ^ (1 << (bit & 7));
      const [again] = server.give(client.messageRecord(client.hello(cookie, 1)));
      assert.equal(again?.[13], HandshakeType.HelloVerifyRequest);
    }
  });

  test('takes a cookie of the secret before the last rotation, and none of the one before that', () => {
    const lifetime = 60_000;
    for (const [ms, type] of [
      [lifetime - 1, HandshakeType.ServerHello],
      [lifetime + 1, HandshakeType.ServerHello],
      [2 * lifetime + 1, HandshakeType.HelloVerifyRequest],
    ] as const) {
      const server = new LonelyLayer('server', { cookieSecretLifetimeMs: lifetime });
      const client = new ScriptedClient();
      const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
      server.wait(ms);
      const [again] = server.give(client.messageRecord(client.hello(cookieOf(answer), 1)));
      assert.equal(again?.[13], type, `${ms} ms`);
    }
  });

  test('rotates on a busy server too: an old cookie is refused after two lifetimes of steady use', () => {
    const server = new LonelyLayer('server', { cookieSecretLifetimeMs: 1000 });
    const client = new ScriptedClient();
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    const busy = new ScriptedClient({ seed: 9 });
    for (let i = 0; i < 25; i++) {
      server.wait(100);
      server.give(busy.messageRecord(busy.hello(noBytes, 0)));
    }
    const [again] = server.give(client.messageRecord(client.hello(cookieOf(answer), 1)));
    assert.equal(again?.[13], HandshakeType.HelloVerifyRequest);
  });

  test('sends no more bytes than it got, and nothing for what is too small to be a ClientHello', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({ cipherSuites: [0xc0a8], extensions: [] });
    const hello = client.messageRecord(client.hello(noBytes, 0));
    for (let length = 0; length <= hello.length; length++) {
      const sent = server.give(hello.subarray(0, length));
      const out = sent.reduce((sum, datagram) => sum + datagram.length, 0);
      assert.ok(out <= length, `${length} bytes in, ${out} out`);
      if (length < hello.length) assert.equal(out, 0);
    }
    const ten = concatBytes(...Array.from({ length: 10 }, () => hello));
    assert.ok(server.give(ten).reduce((sum, datagram) => sum + datagram.length, 0) <= ten.length);
  });

  test('answers one of many ClientHellos in a datagram', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const many = Array.from({ length: 600 }, () => client.messageRecord(client.hello(noBytes, 0)));
    assert.equal(server.give(concatBytes(...many)).length, 1);
    assert.equal(server.give(client.messageRecord(client.hello(noBytes, 0))).length, 1);
  });

  test('keeps nothing for 100,000 spoofed ClientHellos, whole, fragmented or with a made-up cookie', () => {
    const server = new LonelyLayer('server');
    const random = new SeededRandom(3);
    const client = new ScriptedClient();
    let [bytesIn, bytesOut] = [0, 0];
    for (let i = 0; i < 100_000; i++) {
      client.clientRandom = random.fill(new Uint8Array(32));
      const cookie = i % 3 === 0 ? random.fill(new Uint8Array(random.pick([16, 32]))) : noBytes;
      const hello = client.hello(cookie, random.integer(2));
      const records = i % 5 === 0 ? fragments(client, hello, 60) : [client.messageRecord(hello)];
      for (const record of records) {
        bytesIn += record.length;
        server.layer.handle(
          { address: ipAddress('198.51.100.1', 1 + (i % 65_535)), datagram: record },
          server.clock.now,
        );
        for (let output = server.layer.poll(); output !== undefined; output = server.layer.poll()) {
          if (output.kind === 'transmit') bytesOut += output.datagram.length;
        }
      }
    }
    assert.deepEqual(server.layer.usage, nothing);
    assert.equal(server.layer.nextTimeout(), undefined);
    assert.ok(bytesOut > 0 && bytesOut <= bytesIn);
  });

  test('answers a fragmented ClientHello from its first fragment alone, inside 128 bytes', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({
      cipherSuites: Array.from({ length: 60 }, (_, i) => 0xc0a8 + i),
      sessionId: new Uint8Array(32),
    });
    const [first, ...rest] = fragments(client, client.hello(noBytes, 0), 103);
    assert.equal(first?.length, 128);
    const [answer] = server.give(first as Uint8Array);
    const cookie = cookieOf(answer);
    assert.equal(cookie.length, 16);
    for (const later of rest) assert.deepEqual(server.give(later), []);
    assert.deepEqual(server.layer.usage, nothing);

    const second = client.hello(cookie, 1);
    const records = fragments(client, second, 103);
    assert.ok(records.length > 1);
    const sent = records.flatMap((record) => server.give(record));
    assert.equal(messagesOf(sent)[0]?.type, HandshakeType.ServerHello);
    client.transcript.add(second);
    client.takeServerFlight(sent);
    const { keyExchange, finished } = client.secondFlight();
    server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      ),
    );
    assert.ok(server.connected);
  });

  test('takes a whole ClientHello first and a fragmented one with its cookie after, in any order of fragments', () => {
    for (const order of ['forwards', 'first, then backwards'] as const) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient({ cipherSuites: Array.from({ length: 60 }, (_, i) => 0xc0a8 + i) });
      const hello = client.helloWithCookie(server);
      const [first, ...rest] = fragments(client, hello, 70);
      if (order !== 'forwards') rest.reverse();
      const sent = [first as Uint8Array, ...rest].flatMap((record) => server.give(record));
      client.takeServerFlight(sent);
      assert.equal(messagesOf(sent)[0]?.type, HandshakeType.ServerHello, order);
    }
  });

  test('takes a fragmented ClientHello first and a whole one after, by one more HelloVerifyRequest', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({ cipherSuites: Array.from({ length: 60 }, (_, i) => 0xc0a8 + i) });
    const [first] = fragments(client, client.hello(noBytes, 0), 103);
    const short = cookieOf(server.give(first as Uint8Array)[0]);
    const full = cookieOf(server.give(client.messageRecord(client.hello(short, 1)))[0]);
    assert.equal(full.length, 32);
    const sent = server.give(client.messageRecord(client.hello(full, 2)));
    assert.equal(messagesOf(sent)[0]?.type, HandshakeType.ServerHello);
    assert.equal(messagesOf(sent)[0]?.messageSeq, 2);
  });

  test('ignores a first fragment that ends before its cookie does', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.hello(new Uint8Array(32), 0);
    for (let size = 1; size < 68; size++) {
      assert.deepEqual(server.give(client.record(22, encodeMessageFragment(hello, 0, size))), []);
    }
    assert.equal(server.give(client.record(22, encodeMessageFragment(hello, 0, 68))).length, 1);
  });

  test('refuses a client that speaks DTLS 1.0 only, with protocol_version, without state', () => {
    for (const version of [0xfeff, 0x0100, 0x0303]) {
      const server = new LonelyLayer('server');
      const client = new ScriptedClient({ version });
      const [alert] = server.give(client.messageRecord(client.hello(noBytes, 0)));
      assert.deepEqual(alert?.slice(13), Uint8Array.of(2, 70));
      assert.deepEqual(
        server.all('discarded').map(({ reason }) => reason),
        ['client-version-too-old'],
      );
      assert.deepEqual(server.layer.usage, nothing);
    }
  });

  test('takes a first ClientHello in a record of version DTLS 1.0', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.hello(noBytes, 0);
    const record = encodePlaintextRecord(
      22,
      0xfeff,
      0,
      0,
      encodeMessageFragment(hello, 0, hello.body.length),
    );
    assert.equal(server.give(record)[0]?.[13], HandshakeType.HelloVerifyRequest);
  });

  test('does not let a ClientHello choose numbers that would run over', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const hello = client.hello(noBytes, 0xffff);
    assert.deepEqual(server.give(client.messageRecord(hello)), []);
    client.recordSequence = 2 ** 48 - 1;
    assert.deepEqual(server.give(client.messageRecord(client.hello(noBytes, 0))), []);
  });
});

suite('RFC 6347 §4.2.1: the client', () => {
  function started(): { client: LonelyLayer; first: Uint8Array } {
    const client = new LonelyLayer('client');
    client.layer.connect(client.peer, {}, client.clock.now);
    const [first] = client.drain();
    return { client, first: first as Uint8Array };
  }

  function verifyRequest(cookie: Uint8Array, version: number, messageSeq = 0): Uint8Array {
    const body = concatBytes(Uint8Array.of(version >>> 8, version & 0xff, cookie.length), cookie);
    const message = { type: HandshakeType.HelloVerifyRequest, messageSeq, body };
    return encodePlaintextRecord(22, version, 0, 0, encodeMessageFragment(message, 0, body.length));
  }

  test('MUST send the same parameters again, with the cookie and the next message_seq', () => {
    const { client, first } = started();
    const cookie = Uint8Array.of(9, 8, 7);
    const [second] = client.give(verifyRequest(cookie, 0xfefd));
    const [before] = messagesOf([first]);
    const [after] = messagesOf([second as Uint8Array]);
    assert.deepEqual(after?.fragment.slice(36, 39), cookie);
    const withoutCookie = concatBytes(
      (after?.fragment ?? noBytes).slice(0, 35),
      Uint8Array.of(0),
      (after?.fragment ?? noBytes).slice(39),
    );
    assert.deepEqual(withoutCookie, before?.fragment.slice());
    assert.equal(before?.messageSeq, 0);
    assert.equal(after?.messageSeq, 1);
  });

  test('MUST take the version of a HelloVerifyRequest as the packet format only: 1.0 and 1.2 both go on', () => {
    for (const version of [0xfeff, 0xfefd]) {
      const { client } = started();
      assert.equal(client.give(verifyRequest(new Uint8Array(20), version)).length, 1);
      assert.equal(client.failure, undefined);
    }
  });

  test('SHOULD answer a new cookie with a new ClientHello, whatever its message_seq: the first at once, another when the timer expires', () => {
    const { client } = started();
    assert.equal(client.give(verifyRequest(Uint8Array.of(1), 0xfeff)).length, 1);
    assert.equal(client.give(verifyRequest(Uint8Array.of(1), 0xfeff)).length, 0);
    for (const [cookie, messageSeq, untilExpiry] of [
      [2, 0, 1000],
      [3, 1, 2000],
      [1, 2, 4000],
    ] as const) {
      assert.deepEqual(client.give(verifyRequest(Uint8Array.of(cookie), 0xfeff, messageSeq)), []);
      const [hello] = messagesOf(client.wait(untilExpiry));
      assert.deepEqual(hello?.fragment.slice(35, 37), Uint8Array.of(1, cookie));
      assert.equal(hello?.messageSeq, cookie, 'the same cookie in the same ClientHello');
    }
  });

  test('goes on from the ClientHello that the ServerHello answers, not from the one sent last', () => {
    for (const answered of [1, 2]) {
      const { client } = started();
      const server = new ScriptedServer();
      const [second] = messagesOf(client.give(verifyRequest(Uint8Array.of(1), 0xfeff)));
      client.give(verifyRequest(Uint8Array.of(2), 0xfeff));
      const [third] = messagesOf(client.wait(1000));
      const hello = answered === 1 ? second : third;
      server.clientRandom = hello?.fragment.slice(2, 34) ?? noBytes;
      server.transcript.add({ type: 1, messageSeq: answered, body: hello?.fragment ?? noBytes });
      const flight5 = client.give(
        concatBytes(
          server.messageRecord(server.serverHello(answered)),
          server.messageRecord(server.helloDone(answered + 1)),
        ),
      );
      assert.equal(messagesOf(flight5)[0]?.messageSeq, answered + 1);
      const { changeCipherSpec, finished } = server.finish(flight5, answered + 2);
      client.give(concatBytes(changeCipherSpec, finished));
      assert.ok(client.connected, `ClientHello ${answered}`);
    }
  });

  test('takes a cookie of 255 bytes, and does not talk for ever when cookies keep coming', () => {
    const { client } = started();
    const [second] = client.give(verifyRequest(new Uint8Array(255).fill(1), 0xfeff));
    assert.equal(messagesOf([second as Uint8Array])[0]?.fragment[35], 255);
    let sent = 0;
    for (let i = 0; i < 200; i++) sent += client.give(verifyRequest(Uint8Array.of(i, 1), 0xfeff)).length;
    assert.ok(sent < 40);
  });

  test('MUST be prepared for a server that asks for no cookie', () => {
    const { client, first } = started();
    const server = new ScriptedServer();
    server.takeHello([first]);
    const flight5 = client.give(
      concatBytes(server.messageRecord(server.serverHello()), server.messageRecord(server.helloDone())),
    );
    const { changeCipherSpec, finished } = server.finish(flight5);
    client.give(concatBytes(changeCipherSpec, finished));
    assert.ok(client.connected);
  });
});

test('a cookie says nothing about the secret: two servers make different cookies for the same client', () => {
  const address = ipAddress('192.0.2.1', 1);
  const start = { version: 0xfefd, random: new Uint8Array(32), sessionId: noBytes, cookie: noBytes };
  const body = encodeClientHello({
    ...start,
    cipherSuites: [0xc0a8],
    compressionMethods: Uint8Array.of(0),
    extensions: [],
  });
  const { clock } = new LonelyLayer('server');
  const cookies = [1, 2].map((seed) =>
    new CookieSource(nodeCrypto, new SeededRandom(seed), 1000).cookie(
      address,
      { start, body, isWhole: true },
      clock.now,
    ),
  );
  assert.notDeepEqual(cookies[0], cookies[1]);
});

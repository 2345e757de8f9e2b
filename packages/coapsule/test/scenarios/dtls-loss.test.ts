import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { credentialKinds } from './dtls-credentials.ts';
import { assertSameView, DtlsPair, sensorKey } from './dtls-pair.ts';

const mtus = [128, 256, 1024];
const runs = 1000;

function pairWithMtu(mtu: number, seed = 1): DtlsPair {
  // A large identity and a large hint, so that small MTUs mean fragments in every direction.
  const pair = new DtlsPair({
    seed,
    conditions: { mtu },
    client: { mtu },
    server: { mtu, pskIdentityHint: new Uint8Array(150).fill(0x68) },
  });
  pair.client.lookUp = () => ({ identity: new Uint8Array(128).fill(0x69), key: sensorKey });
  pair.server.lookUp = () => ({ key: sensorKey });
  return pair;
}

function assertDone(pair: DtlsPair, what: string): void {
  pair.network.hook = undefined;
  const failures = [...pair.client.all('handshake-failed'), ...pair.server.all('handshake-failed')];
  assert.deepEqual(
    failures.map(({ failure }) => failure),
    [],
    what,
  );
  assert.ok(pair.bothConnected, `${what}: connected`);
  assert.equal(pair.client.all('connected').length, 1, what);
  assert.equal(pair.server.all('connected').length, 1, what);
  assert.equal(pair.network.droppedForMtu, 0, `${what}: every datagram fits the MTU`);
  assert.ok(pair.exchange(), `${what}: data passes`);
}

suite('a handshake completes', () => {
  for (const mtu of mtus) {
    const clean = pairWithMtu(mtu);
    clean.connect();
    clean.run(5000, () => clean.bothConnected);
    const count = clean.network.sent.length;

    test(`with MTU ${mtu}, in ${count} datagrams`, () => assertDone(clean, `MTU ${mtu}`));

    for (const kind of ['drop', 'duplicate', 'swap'] as const) {
      test(`with any single datagram hit by ${kind}, MTU ${mtu}, within 8 s`, () => {
        for (let position = 0; position < count; position++) {
          const pair = pairWithMtu(mtu);
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === position ? { kind } : undefined;
          pair.connect();
          pair.run(8000, () => pair.bothConnected);
          assertDone(pair, `${kind} of datagram ${position}`);
        }
      });
    }

    test(`with any two datagrams dropped, MTU ${mtu}`, () => {
      for (let first = 0; first < count; first++) {
        for (let second = first + 1; second < count + 3; second++) {
          const pair = pairWithMtu(mtu);
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === first || index === second ? { kind: 'drop' } : undefined;
          pair.connect();
          pair.run(30_000, () => pair.bothConnected);
          assertDone(pair, `loss of datagrams ${first} and ${second}`);
        }
      }
    });
  }

  test(`at 10 % random loss in ${runs} of ${runs} seeded runs`, () => {
    for (let seed = 1; seed <= runs; seed++) {
      const pair = pairWithMtu(mtus[seed % mtus.length] as number, seed);
      pair.network.setConditions({ lossRate: 0.1, delayMs: 40 });
      pair.connect();
      pair.run(60_000, () => pair.bothConnected);
      pair.network.setConditions({ lossRate: 0 });
      assertDone(pair, `seed ${seed}`);
    }
  });

  test('with the right pre-shared key at 10 % random loss is never given up as one with a wrong key, or anything else, within 60 s', () => {
    // About 1 in 2,000 loses flight 5 or what answers it five times in a row; 6791 does.
    const [first, last] = process.env['COAPSULE_LONG'] === '1' ? [1, 20_000] : [6000, 7000];
    for (let seed = first; seed <= last; seed++) {
      const pair = new DtlsPair({
        seed,
        conditions: { lossRate: 0.1, delayMs: 40 },
        client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
      });
      pair.connect();
      pair.run(60_000, () => pair.bothConnected);
      assert.deepEqual(pair.client.all('handshake-failed'), [], `seed ${seed}`);
    }
  });

  test('at 20 % loss, 30 % duplication, 30 % reordering and jitter in 99 of 100 runs, at 50 % with short timers in 90', () => {
    // With the timers of the RFC the first round trip alone fails in 18 of 100 at 50 %: six tries in 60 s.
    for (const [conditions, config, least] of [
      [{ lossRate: 0.2, duplicateRate: 0.3, reorderRate: 0.3, jitterMs: 500 }, {}, 99],
      [{ lossRate: 0.5 }, { maxTimeoutMs: 3000, handshakeStallMs: 60_000 }, 90],
    ] as const) {
      let done = 0;
      for (let seed = 1; seed <= 100; seed++) {
        const pair = new DtlsPair({ seed, conditions, client: config, server: config });
        pair.connect();
        pair.run(60_000, () => pair.bothConnected);
        if (pair.bothConnected) done++;
      }
      assert.ok(done >= least, `${done} of 100 with ${JSON.stringify(conditions)}`);
    }
  });

  test('when the final flight is lost again and again, by its repetition alone', () => {
    const pair = new DtlsPair();
    let lost = 0;
    pair.network.hook = ({ from, directionIndex }): DatagramAction | undefined => {
      if (from !== pair.server.address || directionIndex < 2 || lost >= 4) return undefined;
      lost++;
      return { kind: 'drop' };
    };
    pair.connect();
    pair.run(30_000, () => pair.bothConnected);
    assert.equal(lost, 4);
    // Flight 5 is repeated after 1, 2, 4 and 8 s, and each time the server repeats flight 6.
    assert.equal(pair.client.when('connected', pair.start), 40 + 15_000 + 20);
    assertDone(pair, 'final flight');
  });
});

suite('a handshake with credentials', () => {
  const kinds = credentialKinds.filter(({ server }) => server.credentials !== undefined);
  const count = process.env['COAPSULE_LONG'] === '1' ? 1000 : 100;

  for (const { name, client, server } of kinds) {
    test(`${name}: completes within 60 s at 10 % loss in 999 of 1,000 runs, at 20 % with much disorder in 99 of 100, at 50 % in 90`, () => {
      for (const [conditions, config, least] of [
        // Six transmissions fit 60 s; about 1 in 4,000 handshakes loses a datagram of each.
        [{ lossRate: 0.1, delayMs: 40 }, {}, 99.9],
        [{ lossRate: 0.2, duplicateRate: 0.3, reorderRate: 0.3, jitterMs: 500 }, {}, 99],
        [{ lossRate: 0.5 }, { maxTimeoutMs: 3000, handshakeStallMs: 60_000 }, 90],
      ] as const) {
        let done = 0;
        for (let seed = 1; seed <= count; seed++) {
          const both = { ...config, keylog: true };
          const pair = new DtlsPair({
            seed,
            conditions,
            client: { ...client, ...both },
            server: { ...server, ...both },
          });
          pair.connect();
          pair.run(60_000, () => pair.bothConnected);
          if (!pair.bothConnected) continue;
          done++;
          assertSameView(pair, `seed ${seed}`);
        }
        assert.ok(done >= (count * least) / 100, `${done} of ${count} with ${JSON.stringify(conditions)}`);
      }
    });
  }
});

suite('retransmission (RFC 6347 §4.2.4.1)', () => {
  test('the ClientHello is sent after 0, 1, 3, 7, 15, 31 and 63 s, and at 120 s the client gives up', () => {
    const pair = new DtlsPair({ conditions: { lossRate: 1 } });
    pair.connect();
    pair.run(200_000);
    assert.deepEqual(
      pair.network.sent.map(({ sentAt }) => sentAt - pair.start),
      [0, 1000, 3000, 7000, 15_000, 31_000, 63_000],
    );
    const { cause, detail } = pair.client.all('handshake-failed')[0]!.failure;
    assert.deepEqual([cause, detail], ['peer-silent', 'no answer at all to 7 ClientHello(s)']);
    assert.equal(pair.client.when('handshake-failed', pair.start), 120_000);
    assert.equal(pair.client.layer.nextTimeout(), undefined);
  });

  test('the timer stops doubling at maxTimeoutMs', () => {
    const pair = new DtlsPair({
      conditions: { lossRate: 1 },
      client: { initialTimeoutMs: 500, maxTimeoutMs: 2000, handshakeTimeoutMs: 10_000 },
    });
    pair.connect();
    pair.run(20_000);
    assert.deepEqual(
      pair.network.sent.map(({ sentAt }) => sentAt - pair.start),
      [0, 500, 1500, 3500, 5500, 7500, 9500],
    );
  });

  test('the server repeats flight 4 by its own timer, and forgets a silent client after 120 s, or 15 s when there is little room', () => {
    for (const [maxHandshakes, lastsMs, sentAt] of [
      [2, 120_000, [10, 30, 1030, 3030, 7030, 15_030, 31_030, 63_030]],
      [1, 15_000, [10, 30, 1030, 3030, 7030]],
    ] as const) {
      const pair = new DtlsPair({ server: { maxHandshakes } });
      pair.network.hook = ({ from, directionIndex }): DatagramAction | undefined =>
        from === pair.client.address && directionIndex > 1 ? { kind: 'drop' } : undefined;
      pair.connect();
      pair.run(200_000);
      const fromServer = pair.network.sent.filter(({ from }) => from === pair.server.address);
      assert.deepEqual(
        fromServer.map(({ sentAt }) => sentAt - pair.start),
        sentAt,
      );
      assert.equal(pair.server.when('handshake-failed', pair.start), 30 + lastsMs);
      assert.equal(pair.server.layer.usage.handshakes, 0);
    }
  });

  test('a HelloVerifyRequest has no timer', () => {
    const pair = new DtlsPair();
    pair.network.hook = ({ directionIndex }): DatagramAction | undefined =>
      directionIndex > 0 ? { kind: 'drop' } : undefined;
    pair.connect();
    pair.run(500);
    assert.equal(pair.server.layer.nextTimeout(), undefined);
    assert.deepEqual(pair.server.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
  });

  test('message_seq stays and record sequence numbers grow when a flight is sent again', () => {
    const pair = new DtlsPair();
    pair.network.hook = ({ index }): DatagramAction | undefined => (index < 2 ? { kind: 'drop' } : undefined);
    pair.connect();
    pair.run(5000, () => pair.bothConnected);
    const headers = pair.network.sent.slice(0, 3).map(({ datagram }) => ({
      sequenceNumber: datagram[10],
      messageSeq: datagram[18],
    }));
    assert.deepEqual(headers, [
      { sequenceNumber: 0, messageSeq: 0 },
      { sequenceNumber: 1, messageSeq: 0 },
      { sequenceNumber: 2, messageSeq: 0 },
    ]);
    const again = pair.client.all('handshake-trace').filter(({ retransmit }) => retransmit);
    assert.deepEqual(
      again.map(({ name }) => name),
      ['ClientHello', 'ClientHello'],
    );
  });

  test('reordered and fragmented messages are named so in the trace', () => {
    const pair = pairWithMtu(128);
    let swapped = false;
    pair.network.hook = ({ from, directionIndex }): DatagramAction | undefined => {
      if (swapped || from !== pair.server.address || directionIndex !== 1) return undefined;
      swapped = true;
      return { kind: 'swap' };
    };
    pair.connect();
    pair.run(10_000, () => pair.bothConnected);
    const trace = pair.client.all('handshake-trace');
    assert.ok(trace.some(({ reordered, direction }) => reordered && direction === 'received'));
    const fragments = trace.filter(
      ({ fragment, direction }) => fragment !== undefined && direction === 'sent',
    );
    assert.ok(fragments.length > 0);
    assert.deepEqual([...new Set(fragments.map(({ name }) => name))], ['ClientKeyExchange']);
  });
});

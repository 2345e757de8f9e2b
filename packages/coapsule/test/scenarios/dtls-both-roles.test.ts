/**
 * Two sides that are client and server at once and connect to each other at the same time (docs/decisions/020).
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import { equalBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { after, earliest } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { type DatagramAction, SimulatedNetwork } from '../../src/testing/simulated-network.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { certificateCredentials } from './dtls-credentials.ts';
import { DtlsPair, type DtlsPairOptions, sensorIdentity, sensorKey } from './dtls-pair.ts';

/** A pair of which each side has the identity and key of the other role too. */
function pairOfBoth(options: DtlsPairOptions = {}): DtlsPair {
  const both = { keylog: true };
  const pair = new DtlsPair({
    ...options,
    bothRoles: true,
    client: { ...both, ...options.client },
    server: { ...both, ...options.server },
  });
  for (const node of [pair.client, pair.server]) {
    node.lookUp = ({ identity }) =>
      identity === undefined || equalBytes(identity, sensorIdentity)
        ? { identity: sensorIdentity, key: sensorKey }
        : undefined;
  }
  return pair;
}

/** The other side connects too. */
function connectBack(pair: DtlsPair): number {
  const association = pair.server.layer.connect(pair.client.address, {}, pair.clock.now);
  pair.drain(pair.server);
  return association;
}

/** One association on each side, by the ids that `connect` gave, with the same keys; data passes. */
function assertOne(pair: DtlsPair, ids: readonly [number, number], what: string): void {
  for (const [i, node] of [pair.client, pair.server].entries()) {
    assert.deepEqual(node.all('handshake-failed'), [], what);
    assert.deepEqual(
      node.all('connected').map(({ association }) => association),
      [ids[i]],
      what,
    );
    const { associations, handshakes } = node.layer.usage;
    assert.deepEqual({ associations, handshakes }, { associations: 1, handshakes: 0 }, what);
  }
  assert.notEqual(pair.client.all('connected')[0]?.role, pair.server.all('connected')[0]?.role, what);
  assert.deepEqual(pair.client.all('keylog'), pair.server.all('keylog'), what);
  assert.ok(pair.exchange(), what);
}

suite('two layers that connect to each other', () => {
  test('at the same instant have one association at once, and each side is the client in some of 40 runs', () => {
    const clients = new Set<string | undefined>();
    for (let seed = 1; seed <= 40; seed++) {
      const pair = pairOfBoth({ seed });
      const ids = [pair.connect(), connectBack(pair)] as const;
      pair.run(1000, () => pair.bothConnected);
      assertOne(pair, ids, `seed ${seed}`);
      assert.equal(
        pair.client.when('connected', pair.start),
        pair.client.all('connected')[0]?.role === 'client' ? 60 : 50,
      );
      clients.add(pair.client.all('connected')[0]?.role);
    }
    assert.deepEqual([...clients].sort(), ['client', 'server']);
  });

  test('one after the other, at any moment of the first handshake, have one association too', () => {
    for (let seed = 1; seed <= 8; seed++) {
      for (let ms = 0; ms <= 90; ms += 5) {
        const pair = pairOfBoth({ seed });
        const first = pair.connect();
        pair.run(ms);
        const ids = [
          first,
          pair.server.layer.associationAt(pair.client.address) ?? connectBack(pair),
        ] as const;
        pair.run(5000, () => pair.bothConnected);
        assertOne(pair, ids, `seed ${seed}, ${ms} ms`);
      }
    }
  });

  test('whatever single datagram is lost, repeated or overtaken, within 8 s', () => {
    for (const kind of ['drop', 'duplicate', 'swap'] as const) {
      for (let seed = 1; seed <= 6; seed++) {
        for (let position = 0; position < 12; position++) {
          const pair = pairOfBoth({ seed });
          pair.network.hook = ({ index }): DatagramAction | undefined =>
            index === position ? { kind } : undefined;
          const ids = [pair.connect(), connectBack(pair)] as const;
          pair.run(8000, () => pair.bothConnected);
          pair.network.hook = undefined;
          assertOne(pair, ids, `seed ${seed}, ${kind} ${position}`);
        }
      }
    }
  });

  test('at 20 % loss in 99 of 100 runs', () => {
    let done = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const pair = pairOfBoth({ seed, conditions: { lossRate: 0.2, jitterMs: 300 } });
      pair.connect();
      connectBack(pair);
      pair.run(60_000, () => pair.bothConnected);
      if (pair.bothConnected) done++;
    }
    assert.ok(done >= 99, `${done}`);
  });

  test('with certificates that both sides have to show', () => {
    const credentials = (side: 'client' | 'server'): EndpointCredentials => ({
      ...certificateCredentials(side),
      clientAuthentication: 'required',
    });
    for (let seed = 1; seed <= 6; seed++) {
      const pair = pairOfBoth({
        seed,
        client: { credentials: credentials('client') },
        server: { credentials: credentials('server') },
      });
      const ids = [pair.connect(), connectBack(pair)] as const;
      pair.run(1000, () => pair.bothConnected);
      assertOne(pair, ids, `seed ${seed}`);
    }
  });

  test('our own ClientHello, sent back to us, changes nothing', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const pair = pairOfBoth({ seed });
      const association = pair.connect();
      pair.network.hook = ({ from, to, datagram }): DatagramAction | undefined => {
        if (from === pair.client.address) pair.network.send(to, from, datagram, pair.clock.now);
        return undefined;
      };
      pair.run(8000, () => pair.bothConnected);
      pair.network.hook = undefined;
      assert.equal(pair.client.all('connected')[0]?.role, 'client');
      assert.equal(pair.client.all('connected')[0]?.association, association);
    }
  });
});

/** Two endpoints that are both, with what they said. */
class TwoEndpoints {
  readonly clock = new VirtualClock();
  readonly network = new SimulatedNetwork({ seed: 1 });
  readonly addresses = [ipAddress('192.0.2.1', 5684), ipAddress('192.0.2.2', 5684)] as const;
  readonly endpoints: readonly [Endpoint, Endpoint];
  readonly outputs: readonly [EndpointOutput[], EndpointOutput[]] = [[], []];

  constructor(seed: number, dtls: readonly [Partial<DtlsConfig>, Partial<DtlsConfig>]) {
    const make = (side: 0 | 1): Endpoint => {
      const config = { security: 'dtls', role: 'both', dtls: dtls[side] } as const;
      return new Endpoint({ config, random: new SeededRandom(seed * 2 + side), crypto: nodeCrypto });
    };
    this.endpoints = [make(0), make(1)];
    for (const side of [0, 1] as const) {
      this.network.attach(this.addresses[side], (datagram, from, now) => {
        this.endpoints[side].handle({ address: from, datagram }, now);
        this.drain(side);
      });
    }
  }

  get(side: 0 | 1, to: PeerAddress = this.addresses[1 - side] as PeerAddress): number {
    const request = { type: 'CON', code: Code.Get, options: new OptionSet(), payload: noBytes } as const;
    const id = this.endpoints[side].request(to, request, this.clock.now);
    this.drain(side);
    return id;
  }

  /** The outputs of a side, of one kind. */
  all<Kind extends EndpointOutput['kind']>(
    side: 0 | 1,
    kind: Kind,
  ): Extract<EndpointOutput, { kind: Kind }>[] {
    return this.outputs[side].filter((output) => output.kind === kind) as Extract<
      EndpointOutput,
      { kind: Kind }
    >[];
  }

  run(ms: number): void {
    const end = after(this.clock.now, ms);
    for (;;) {
      const [one, other] = this.endpoints;
      const next = earliest(this.network.nextArrival(), earliest(one.nextTimeout(), other.nextTimeout()));
      if (next === undefined || next > end) break;
      this.clock.advanceTo(next > this.clock.now ? next : this.clock.now);
      this.network.deliverDue(this.clock.now);
      for (const side of [0, 1] as const) {
        this.endpoints[side].handleTimeout(this.clock.now);
        this.drain(side);
      }
    }
    this.clock.advanceTo(end);
  }

  drain(side: 0 | 1): void {
    const endpoint = this.endpoints[side];
    const { now } = this.clock;
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      this.outputs[side].push(output);
      if (output.kind === 'transmit') {
        this.network.send(this.addresses[side], output.address, output.datagram, now);
      } else if (output.kind === 'psk-lookup') {
        endpoint.answerPskLookup(output.lookup, { identity: sensorIdentity, key: sensorKey }, now);
      } else if (output.kind === 'verify-peer') {
        endpoint.answerPeerVerification(output.verification, { accepted: true, identity: noBytes }, now);
      } else if (output.kind === 'request') {
        const answer = { code: Code.Content, options: new OptionSet(), payload: noBytes, keepAnswer: true };
        endpoint.respond(output.exchange, answer, now);
      }
    }
  }
}

suite('two endpoints that ask each other', () => {
  test('at the same instant are both answered, over one association', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const two = new TwoEndpoints(seed, [{}, {}]);
      const ids = [two.get(0), two.get(1)];
      two.run(1000);
      for (const side of [0, 1] as const) {
        assert.deepEqual(
          two.all(side, 'response').map(({ request, final }) => [request, final]),
          [[ids[side], true]],
        );
        assert.equal(two.all(side, 'request').length, 1);
        assert.equal(two.all(side, 'connected').length, 1);
        assert.deepEqual([...two.all(side, 'request-failed'), ...two.all(side, 'closed')], []);
      }
    }
  });

  test('a request never goes to a peer that opened an association and proved nothing: it waits for a handshake of our own', () => {
    // The first side lets clients in without a certificate, the second one has none to show as a client.
    const open = { ...certificateCredentials('server'), clientAuthentication: 'none' } as const;
    const { certificate: _, ...nothing } = certificateCredentials('client');
    for (const moment of [0, 10, 30, 50, 1000]) {
      const two = new TwoEndpoints(3, [{ credentials: open }, { credentials: nothing }]);
      two.get(1);
      two.run(moment);
      two.get(0);
      two.run(200_000);
      // Who has no certificate is no server: the request fails, and does not go to whoever came in as a client.
      assert.deepEqual(two.all(1, 'request'), [], `after ${moment} ms`);
      assert.equal(two.all(0, 'request-failed').length, 1, `after ${moment} ms`);
      assert.ok(two.all(0, 'connected').every(({ role }) => role === 'server'));
    }
  });
});

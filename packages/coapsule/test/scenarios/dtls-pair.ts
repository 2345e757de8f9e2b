/**
 * Two DTLS layers on a simulated network in virtual time, for tests.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import {
  type AssociationId,
  DtlsLayer,
  type DtlsOutput,
  type PeerVerdict,
} from '../../src/core/dtls/dtls-layer.ts';
import { equalBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { after, earliest, type Instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { FramedLine, type FramedLineOptions } from '../../src/testing/framed-line.ts';
import type { NetworkConditions } from '../../src/testing/network-conditions.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

export const sensorIdentity = encodeUtf8('sensor-042');
export const sensorKey = encodeUtf8('MySecret16ByteK!');

export type OutputOf<Kind extends DtlsOutput['kind']> = Extract<DtlsOutput, { kind: Kind }>;

/** One layer with its address and everything it said. */
export class DtlsNode {
  readonly address: PeerAddress;
  readonly outputs: { readonly at: Instant; readonly output: DtlsOutput }[] = [];
  layer: DtlsLayer;
  /** Key for an identity (server) or for a hint (client); `'later'` leaves the look-up open. */
  lookUp: (
    question: OutputOf<'psk-lookup'>,
  ) => { identity?: Uint8Array; key: Uint8Array; otherKeys?: Uint8Array[] } | undefined | 'later';
  /** What is thought of a peer's credential; by default, that it is good. */
  verify: (question: OutputOf<'verify-peer'>) => PeerVerdict | 'later' = () => ({
    accepted: true,
    identity: noBytes,
  });

  constructor(address: PeerAddress, layer: DtlsLayer, lookUp: DtlsNode['lookUp']) {
    this.address = address;
    this.layer = layer;
    this.lookUp = lookUp;
  }

  all<Kind extends DtlsOutput['kind']>(kind: Kind): OutputOf<Kind>[] {
    return this.outputs
      .filter(({ output }) => output.kind === kind)
      .map(({ output }) => output as OutputOf<Kind>);
  }

  /** When the first output of a kind came, in ms since the start of the run. */
  when(kind: DtlsOutput['kind'], start: Instant): number | undefined {
    const found = this.outputs.find(({ output }) => output.kind === kind);
    return found === undefined ? undefined : found.at - start;
  }
}

export interface DtlsPairOptions {
  readonly seed?: number;
  /** Whether each side is client and server at once; what is called client and server here are just two sides then. */
  readonly bothRoles?: boolean;
  readonly conditions?: Partial<NetworkConditions>;
  readonly client?: Partial<DtlsConfig>;
  readonly server?: Partial<DtlsConfig>;
  /** A serial line in the place of the network. */
  readonly line?: Omit<FramedLineOptions, 'seed'>;
}

/** A client, a server and the network between them. */
export class DtlsPair {
  readonly clock = new VirtualClock();
  readonly start: Instant = this.clock.now;
  readonly network: SimulatedNetwork;
  /** Where datagrams travel instead of `network`, when the pair is on a serial line. */
  readonly line: FramedLine | undefined;
  readonly client: DtlsNode;
  readonly server: DtlsNode;
  readonly seed: number;
  readonly options: DtlsPairOptions;
  #restarts = 0;

  constructor(options: DtlsPairOptions = {}) {
    this.options = options;
    this.seed = options.seed ?? 1;
    this.network = new SimulatedNetwork({
      seed: this.seed,
      ...(options.conditions === undefined ? {} : { conditions: options.conditions }),
    });
    this.client = new DtlsNode(ipAddress('192.0.2.1', 40_000), this.#clientLayer(), () => ({
      identity: sensorIdentity,
      key: sensorKey,
    }));
    this.server = new DtlsNode(
      ipAddress('192.0.2.2', 5684),
      new DtlsLayer({
        role: options.bothRoles ? 'both' : 'server',
        crypto: nodeCrypto,
        random: new SeededRandom(this.seed * 7 + 2),
        config: options.server ?? {},
      }),
      ({ identity }) =>
        identity !== undefined && equalBytes(identity, sensorIdentity) ? { key: sensorKey } : undefined,
    );
    const { line } = options;
    const [a, b] = [this.client.address, this.server.address];
    this.line = line && new FramedLine(a, b, { seed: this.seed, ...line });
    for (const node of [this.client, this.server]) {
      this.#carrier.attach(node.address, (datagram, from, now) => {
        node.layer.handle({ address: from, datagram }, now);
        this.drain(node);
      });
    }
  }

  get #carrier(): SimulatedNetwork | FramedLine {
    return this.line ?? this.network;
  }

  /** The client loses all it knew, and keeps its address. */
  restartClient(): void {
    this.#restarts++;
    this.client.layer = this.#clientLayer();
  }

  connect(serverName?: string): AssociationId {
    const association = this.client.layer.connect(
      this.server.address,
      serverName === undefined ? {} : { serverName },
      this.clock.now,
    );
    this.drain(this.client);
    return association;
  }

  /** Runs until nothing is left to do before `ms` after now, or `until` holds. */
  run(ms = 120_000, until: () => boolean = () => false): void {
    const end = after(this.clock.now, ms);
    while (!until()) {
      const next = earliest(
        this.#carrier.nextArrival(),
        earliest(this.client.layer.nextTimeout(), this.server.layer.nextTimeout()),
      );
      if (next === undefined || next > end) {
        this.clock.advanceTo(end);
        return;
      }
      this.clock.advanceTo(next > this.clock.now ? next : this.clock.now);
      this.#carrier.deliverDue(this.clock.now);
      for (const node of [this.client, this.server]) {
        node.layer.handleTimeout(this.clock.now);
        this.drain(node);
      }
    }
  }

  drain(node: DtlsNode): void {
    const { now } = this.clock;
    const peer = node === this.client ? this.server : this.client;
    for (let output = node.layer.poll(); output !== undefined; output = node.layer.poll()) {
      node.outputs.push({ at: now, output });
      if (output.kind === 'transmit')
        this.#carrier.send(node.address, output.address ?? peer.address, output.datagram, now);
      if (output.kind === 'psk-lookup') {
        const answer = node.lookUp(output);
        if (answer !== 'later') node.layer.answerPskLookup(output.lookup, answer, now);
      }
      if (output.kind === 'verify-peer') {
        const verdict = node.verify(output);
        if (verdict !== 'later') node.layer.answerPeerVerification(output.verification, verdict, now);
      }
    }
  }

  get bothConnected(): boolean {
    return this.client.all('connected').length > 0 && this.server.all('connected').length > 0;
  }

  /** Sends a text each way and tells whether both came. */
  exchange(text = 'hello'): boolean {
    const arrived = (node: DtlsNode): number =>
      node.all('application-data').filter(({ data }) => equalBytes(data, encodeUtf8(text))).length;
    const before = [arrived(this.client), arrived(this.server)] as const;
    for (const [node, peer] of [
      [this.client, this.server],
      [this.server, this.client],
    ] as const) {
      const association = node.layer.associationAt(peer.address);
      if (association === undefined) return false;
      if (node.layer.send(association, encodeUtf8(text), this.clock.now) !== 'sent') return false;
      this.drain(node);
    }
    this.run(1000);
    return arrived(this.client) === before[0] + 1 && arrived(this.server) === before[1] + 1;
  }

  #clientLayer(): DtlsLayer {
    return new DtlsLayer({
      role: this.options.bothRoles ? 'both' : 'client',
      crypto: nodeCrypto,
      random: new SeededRandom(this.seed * 7 + 1 + this.#restarts * 1000),
      config: this.options.client ?? {},
    });
  }
}

/** Closes the association from the client's side, and forgets what was said so far. */
export function closeAssociation(pair: DtlsPair): void {
  const association = pair.client.layer.associationAt(pair.server.address);
  if (association !== undefined) pair.client.layer.close(association, pair.clock.now);
  pair.drain(pair.client);
  pair.run(1000);
  pair.client.outputs.length = 0;
  pair.server.outputs.length = 0;
}

/** When each datagram was sent, by whom, and how many bytes it has: what somebody on the way can tell of a handshake. */
export function onTheWire(pair: DtlsPair): [number, string, number][] {
  return pair.network.sent.map(({ sentAt, from, datagram }) => [
    sentAt - pair.start,
    from === pair.client.address ? 'client' : 'server',
    datagram.length,
  ]);
}

/**
 * Both sides connected once, with the same keys, and say the same about what was agreed on. With keylog on both sides;
 * a key log line names the client's random, and the master secret hangs on all messages up to ClientKeyExchange.
 */
export function assertSameView(pair: DtlsPair, what: string): void {
  const [client, server, ...more] = [...pair.client.all('connected'), ...pair.server.all('connected')];
  assert.ok(client !== undefined && server !== undefined && more.length === 0, `${what}: connected once`);
  const keys = pair.client.all('keylog').at(-1);
  assert.ok(keys !== undefined, `${what}: key log`);
  assert.deepEqual(pair.server.all('keylog').at(-1), keys, `${what}: keys`);
  const agreed = ({ suite, extendedMasterSecret, resumed, protocol, serverName }: typeof client): unknown => [
    suite,
    extendedMasterSecret,
    resumed,
    protocol,
    serverName,
  ];
  assert.deepEqual(agreed(client), agreed(server), what);
  const [{ own, peer } = { own: -1, peer: -1 }] = [client.connectionIdLengths];
  assert.deepEqual(server.connectionIdLengths ?? { own: -1, peer: -1 }, { own: peer, peer: own }, what);
  // What each one is known by is what it showed.
  const credentials = { client: pair.options.client?.credentials, server: pair.options.server?.credentials };
  for (const [connected, peerCredentials] of [
    [client, credentials.server],
    [server, credentials.client],
  ] as const) {
    const { authentication } = connected;
    if (authentication.kind === 'x509') {
      assert.deepEqual(authentication.certificate, peerCredentials?.certificate?.chain[0], what);
    } else if (authentication.kind === 'raw-public-key') {
      assert.deepEqual(authentication.publicKey, peerCredentials?.rawPublicKey?.key.publicKey.spki, what);
    } else if (authentication.kind === 'psk') {
      assert.deepEqual(connected.identity, sensorIdentity, what);
    }
  }
}

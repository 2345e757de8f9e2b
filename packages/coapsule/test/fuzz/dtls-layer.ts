/**
 * Fuzz target: any datagram into whole DTLS layers, as client and as server, before, during and after a
 * handshake. Nothing throws, limits hold, and established associations go on working.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type AssociationId, DtlsLayer, type DtlsOutput } from '../../src/core/dtls/dtls-layer.ts';
import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { after, type Instant, instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const serverAddress = ipAddress('192.0.2.2', 5684);
const clientAddress = ipAddress('192.0.2.1', 40_000);
const credential = { identity: encodeUtf8('sensor-042'), key: encodeUtf8('MySecret16ByteK!') };

let now: Instant = instant(0);
let seed = 1;

/** A client and a server that talk without a network, one datagram at a time. */
class Pair {
  readonly client = layer('client');
  readonly server = layer('server');
  /** Datagrams that were not handed over. */
  toServer: Uint8Array[] = [];
  toClient: Uint8Array[] = [];

  constructor(flights: number) {
    this.client.connect(serverAddress, {}, now);
    this.drain();
    for (let flight = 1; flight <= flights; flight++) this.step();
  }

  /** Hands over all that waits, of one side. */
  step(): void {
    const [toServer, toClient] = [this.toServer, this.toClient];
    this.toServer = [];
    this.toClient = [];
    for (const datagram of toServer)
      this.server.handle({ address: clientAddress, datagram: datagram.slice() }, now);
    for (const datagram of toClient)
      this.client.handle({ address: serverAddress, datagram: datagram.slice() }, now);
    this.drain();
  }

  drain(): DtlsOutput[] {
    const outputs: DtlsOutput[] = [];
    for (const side of [this.client, this.server]) {
      for (let output = side.poll(); output !== undefined; output = side.poll()) {
        outputs.push(output);
        if (output.kind === 'transmit')
          (side === this.client ? this.toServer : this.toClient).push(output.datagram);
        if (output.kind === 'psk-lookup') side.answerPskLookup(output.lookup, credential, now);
      }
    }
    return outputs;
  }

  get ids(): [AssociationId | undefined, AssociationId | undefined] {
    return [this.client.associationAt(serverAddress), this.server.associationAt(clientAddress)];
  }
}

function layer(role: 'client' | 'server'): DtlsLayer {
  return new DtlsLayer({ role, crypto: nodeCrypto, random: new SeededRandom(seed++) });
}

/** Datagrams of whole handshakes, with all that follows but what may end an association. */
function record(): Uint8Array[] {
  const corpus: Uint8Array[] = [];
  const pair = new Pair(0);
  for (let flight = 1; flight <= 6; flight++) {
    corpus.push(...pair.toServer, ...pair.toClient);
    pair.step();
  }
  const [client, server] = pair.ids;
  pair.client.send(client ?? 0, encodeUtf8('from the client'), now);
  pair.server.send(server ?? 0, encodeUtf8('from the server'), now);
  pair.drain();
  corpus.push(...pair.toServer, ...pair.toClient, concatBytes(...corpus.slice(0, 4)));
  return corpus.map((datagram) => datagram.slice());
}

const established = new Pair(6);
/** Handshakes stopped after so many flights; begun again when they are over. */
const halfDone = [0, 1, 2, 3, 4, 5].map((flights) => ({ flights, pair: new Pair(flights) }));
let runs = 0;

export const target: FuzzTarget = {
  name: 'DTLS layer',
  corpus: record(),
  run(input) {
    now = after(now, 5);
    const half = halfDone[runs++ % halfDone.length] as (typeof halfDone)[0];
    for (const pair of [established, half.pair]) {
      pair.server.handle({ address: clientAddress, datagram: input.slice() }, now);
      pair.client.handle({ address: serverAddress, datagram: input.slice() }, now);
      pair.server.handleTimeout(now);
      pair.client.handleTimeout(now);
      for (const output of pair.drain()) {
        if (pair === established) assert.notEqual(output.kind, 'closed');
        if (pair !== established && half.flights < 5) assert.notEqual(output.kind, 'application-data');
      }
      pair.toServer = [];
      pair.toClient = [];
      for (const { usage } of [pair.server, pair.client]) {
        assert.ok(usage.handshakes <= 1 && usage.associations <= 1 && usage.keptBytes <= 32_768);
      }
    }
    if (half.pair.client.usage.handshakes === 0 || half.pair.server.usage.handshakes === 0) {
      if (half.flights > 2 || half.pair.client.usage.handshakes === 0) half.pair = new Pair(half.flights);
    }
    assertWorks();
  },
};

/** The established association still carries data both ways. */
function assertWorks(): void {
  const [client, server] = established.ids;
  assert.ok(established.client.send(client ?? 0, Uint8Array.of(1), now));
  assert.ok(established.server.send(server ?? 0, Uint8Array.of(2), now));
  established.drain();
  const [toServer, toClient] = [established.toServer, established.toClient];
  established.toServer = [];
  established.toClient = [];
  for (const datagram of toServer) established.server.handle({ address: clientAddress, datagram }, now);
  for (const datagram of toClient) established.client.handle({ address: serverAddress, datagram }, now);
  const data = established.drain().filter(({ kind }) => kind === 'application-data');
  assert.equal(data.length, 2);
}

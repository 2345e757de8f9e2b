/**
 * The road of a GET over DTLS through an endpoint and of its answer back, in memory, with 64 clients in turns and with 10,000:
 * what many live sessions cost the layers above the records. No socket, and an AEAD that does nothing.
 *
 * Run by `npm run bench -- secured-path`.
 *
 * @module
 */

import { Code } from '../src/core/coap/code.ts';
import { encodeMessage } from '../src/core/coap/message-codec.ts';
import { OptionNumber } from '../src/core/coap/option-registry.ts';
import { OptionSet } from '../src/core/coap/option-set.ts';
import { writeEpochAndSequenceNumber } from '../src/core/dtls/record/record-header.ts';
import { Endpoint } from '../src/core/endpoint/endpoint.ts';
import { noBytes } from '../src/core/foundation/bytes.ts';
import { instant } from '../src/core/foundation/instant.ts';
import type { PeerAddress } from '../src/core/foundation/peer-address.ts';
import { systemRandom } from '../src/node/system-random.ts';
import { median, report } from './figure.ts';
import { cheapCrypto, clientRecord, type Stored, stored } from './stored-associations.ts';

const isShort = process.argv.includes('--short');
const rounds = isShort ? 5 : 9;
/** A minute at what a server gets: deduplication holds the answers of four such rounds, as it does there (RFC 7252 §4.8.2). */
const perRound = isShort ? 20_000 : 200_000;
const perMs = 20;

const token = Uint8Array.of(1, 2, 3, 4);
const get = encodeMessage({
  ...{ type: 'CON', code: Code.Get, messageId: 0, token, payload: noBytes },
  options: new OptionSet().add(OptionNumber.UriPath, 'hello'),
});
const text = new TextEncoder().encode('hello world, 20 byte');
const textOptions = new OptionSet().add(OptionNumber.ContentFormat, 0);

/** A server whose application answers at once, and its clients in turn. */
class Served {
  readonly #endpoint: Endpoint;
  readonly #addresses: readonly PeerAddress[];
  readonly #datagram: Uint8Array;
  #i = 0;

  constructor(clients: number) {
    const all = stored(clients, false);
    const dtls = { maxAssociations: 2 * clients };
    const config = { security: 'dtls', role: 'server', dtls } as const;
    this.#endpoint = new Endpoint({ config, random: systemRandom, crypto: cheapCrypto });
    for (const { state, address } of all) {
      const association = this.#endpoint.importAssociation(state, address, {}, instant(0));
      if (typeof association !== 'number') throw new Error(`an association was refused: ${association}`);
      while (this.#endpoint.poll() !== undefined);
    }
    this.#addresses = all.map(({ address }) => address);
    this.#datagram = clientRecord(all[0] as Stored, get);
  }

  /** CPU microseconds of each of so many requests. */
  cost(requests: number): number {
    const before = process.cpuUsage();
    for (let left = requests; left > 0; left--) this.#request();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / requests;
  }

  #request(): void {
    const i = this.#i++;
    const now = instant(i / perMs);
    const clients = this.#addresses.length;
    const endpoint = this.#endpoint;
    const messageId = Math.floor(i / clients) & 0xffff;
    const datagram = this.#datagram.slice();
    // A number of its own for each record, and a Message ID for each of a client; the explicit nonce does not count here.
    writeEpochAndSequenceNumber(datagram, 3, 1, i + 2);
    const message = datagram.length - 8 - get.length;
    datagram[message + 2] = messageId >> 8;
    datagram[message + 3] = messageId;
    endpoint.handle({ address: this.#addresses[(i * 7919) % clients] as PeerAddress, datagram }, now);
    let answers = 0;
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.kind === 'transmit') answers++;
      if (output.kind !== 'request') continue;
      const answer = { code: Code.Content, options: textOptions, payload: text, keepAnswer: false };
      endpoint.respond(output.exchange, answer, now);
    }
    const due = endpoint.nextTimeout();
    if (due !== undefined && due <= now) endpoint.handleTimeout(now);
    if (answers !== 1) throw new Error(`${answers} answers to a request`);
  }
}

const few = new Served(64);
const many = new Served(10_000);
const samples = { few: [] as number[], many: [] as number[] };
few.cost(perRound);
many.cost(perRound);
for (let round = 0; round < rounds; round++) {
  samples.few.push(few.cost(perRound));
  samples.many.push(many.cost(perRound));
}
const row = 'GET over DTLS through an endpoint without the AEAD';
report({ name: row, value: median(samples.few), unit: 'µs' });
report({ name: `${row}, 10,000 clients`, value: median(samples.many), unit: 'µs' });
report({
  name: `${row}, 10,000 clients over 64`,
  value: median(samples.many) / median(samples.few),
  unit: 'times',
  goal: 2.5,
  better: 'lower',
});

/**
 * A client of ours that can end its association and connect again, which the library's `Client` leaves to the server:
 * the protocol machine on a socket, with the demo key.
 */
import type { TestContext } from 'node:test';
import { Endpoint, type EndpointConfigInput, type EndpointOutput, ipAddress } from 'coapsule/core';
import { Driver, nodeCrypto, systemRandom } from 'coapsule/node';
import { ownPsk } from './own-endpoint.ts';
import { until } from './process.ts';

/** What one handshake gave. */
export type Connected = Extract<EndpointOutput, { kind: 'connected' }>;

type DtlsConfigInput = NonNullable<EndpointConfigInput['dtls']>;

/** A client of one server on 127.0.0.1. */
export class ClosableClient {
  readonly #driver: Driver;
  readonly #port: number;
  readonly #outputs: readonly EndpointOutput[];

  constructor(driver: Driver, port: number, outputs: readonly EndpointOutput[]) {
    this.#driver = driver;
    this.#port = port;
    this.#outputs = outputs;
  }

  /** Sends a CoAP ping, which makes it connect; resolves when it has. */
  async connect(): Promise<Connected> {
    const before = this.#outputs.length;
    this.#driver.run((endpoint, now) => endpoint.ping(ipAddress('127.0.0.1', this.#port), now));
    const since = (): Connected | undefined =>
      this.#outputs.slice(before).find((output) => output.kind === 'connected');
    await until(() => since() !== undefined, 'our client has connected', 30_000);
    return since()!;
  }

  /** Resolves when this many pings have been answered in all. */
  async pongs(count: number): Promise<void> {
    const answered = (): number => this.#outputs.filter(({ kind }) => kind === 'pong').length;
    await until(() => answered() >= count, `${count} pings are answered`, 30_000);
  }

  /** Ends the association with close_notify. */
  close(connected: Connected): void {
    this.#driver.run((endpoint, now) => endpoint.closeAssociation(connected.association, now));
  }
}

/** Opens a client of the server on this port of 127.0.0.1; it ends with the test. */
export async function closableClient(
  t: TestContext,
  port: number,
  dtls: DtlsConfigInput = {},
): Promise<ClosableClient> {
  const outputs: EndpointOutput[] = [];
  const endpoint = new Endpoint({
    config: { security: 'dtls', role: 'client', dtls },
    crypto: nodeCrypto,
    random: systemRandom,
  });
  const driver = await Driver.open({
    endpoint,
    socket: { host: '127.0.0.1' },
    onDefect: (error) => {
      throw error;
    },
    onOutput: (output) => {
      outputs.push(output);
      if (output.kind !== 'psk-lookup') return;
      const answer = { identity: new TextEncoder().encode(ownPsk.identity), key: ownPsk.key };
      setImmediate(() => driver.run((machine, now) => machine.answerPskLookup(output.lookup, answer, now)));
    },
  });
  t.after(() => driver.close());
  return new ClosableClient(driver, port, outputs);
}

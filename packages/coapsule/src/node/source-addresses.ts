/**
 * Where datagrams came from lately: one `PeerAddress` for each address and port, so that a datagram of a known peer makes
 * none, and the tables of the endpoint find it by a string that they have seen before.
 *
 * @module
 */

import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';

/** Addresses that are remembered; then all are forgotten and learnt anew, as under a flood of invented ones. */
const addressesAtMost = 65_536;

/** See the module comment. */
export class SourceAddresses {
  readonly #hosts = new Map<string, Map<number, PeerAddress>>();
  #size = 0;
  #lastHost = '';
  #lastPorts: Map<number, PeerAddress> | undefined;

  /** Addresses remembered. */
  get size(): number {
    return this.#size;
  }

  /** The address of an IP literal, as the system writes it, and a port. */
  of(host: string, port: number): PeerAddress {
    const ports =
      this.#lastPorts !== undefined && host === this.#lastHost ? this.#lastPorts : this.#portsOf(host);
    const known = ports.get(port);
    if (known !== undefined) return known;
    const address = ipAddress(host, port);
    ports.set(port, address);
    if (++this.#size >= addressesAtMost) this.#forgetAll();
    return address;
  }

  #portsOf(host: string): Map<number, PeerAddress> {
    let ports = this.#hosts.get(host);
    if (ports === undefined) {
      ports = new Map();
      this.#hosts.set(host, ports);
    }
    this.#lastHost = host;
    this.#lastPorts = ports;
    return ports;
  }

  #forgetAll(): void {
    this.#hosts.clear();
    this.#lastPorts = undefined;
    this.#size = 0;
  }
}

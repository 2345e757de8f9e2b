/**
 * Where datagrams came from lately: one `PeerAddress` for each address and port, so that a datagram of a known peer makes
 * none, and the tables of the endpoint find it by a string that they have seen before.
 *
 * @module
 */

import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';

/** Addresses that are remembered; then all are forgotten and learnt anew, as under a flood of invented ones. */
const addressesAtMost = 65_536;

/** A host, and its addresses by port. */
interface Host {
  /** As the system writes it. */
  readonly literal: string;
  /** As addresses have it: one string for all of them, where the system makes one for each datagram. */
  readonly host: string;
  readonly addresses: Map<number, PeerAddress>;
}

/** See the module comment. */
export class SourceAddresses {
  readonly #hosts = new Map<string, Host>();
  #size = 0;
  #last: Host | undefined;

  /** Addresses remembered. */
  get size(): number {
    return this.#size;
  }

  /** The address of an IP literal, as the system writes it, and a port. */
  of(literal: string, port: number): PeerAddress {
    const host = this.#last?.literal === literal ? this.#last : this.#hostOf(literal);
    const known = host.addresses.get(port);
    if (known !== undefined) return known;
    const address = ipAddress(host.host, port);
    host.addresses.set(port, address);
    if (++this.#size >= addressesAtMost) this.#forgetAll();
    return address;
  }

  #hostOf(literal: string): Host {
    let host = this.#hosts.get(literal);
    if (host === undefined) {
      host = { literal, host: ipAddress(literal, 0).host, addresses: new Map() };
      this.#hosts.set(literal, host);
    }
    this.#last = host;
    return host;
  }

  #forgetAll(): void {
    this.#hosts.clear();
    this.#last = undefined;
    this.#size = 0;
  }
}

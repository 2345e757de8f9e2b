/**
 * Messages under OSCORE on a port of several workers, in a worker that does not have the contexts: they go to worker 0, and
 * what that answers inside an association of this worker is sealed here.
 *
 * Which messages these are is in `core/endpoint/peer-share.ts`; what worker 0 does with them in `oscore-owner.ts`.
 *
 * @module
 */

import type { AssociationId } from '../core/dtls/dtls-output.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import type { Driver, DriverOutput } from '../node/driver.ts';
import type { SharedPort } from '../node/shared-port.ts';
import type { PeerSecurity } from './peer-info.ts';

/** See the module comment. */
export class OscoreElsewhere {
  readonly #driver: Driver;
  readonly #port: SharedPort;
  readonly #securityOf: (peer: Peer) => PeerSecurity;
  /** Associations that worker 0 knows of, by their name. */
  readonly #known = new Map<string, AssociationId>();
  readonly #names = new Map<AssociationId, string>();

  constructor(driver: Driver, port: SharedPort, securityOf: (peer: Peer) => PeerSecurity) {
    this.#driver = driver;
    this.#port = port;
    this.#securityOf = securityOf;
    port.withOscore({
      message: (message) => {
        if (message.kind === 'from-owner') this.#seal(message.association, message.datagram);
      },
    });
  }

  /** Hands a message to worker 0. */
  handOver({ peer, datagram }: Extract<DriverOutput, { kind: 'message-elsewhere' }>): void {
    const { association, address } = peer;
    const security = association === undefined ? undefined : this.#securityOf(peer);
    if (association !== undefined && security?.kind === 'dtls') {
      this.#known.set(security.association, association);
      this.#names.set(association, security.association);
    }
    this.#port.sendToOwner(datagram, address, security);
  }

  /** An association is over: worker 0 need not remember its peer. */
  ended(association: AssociationId): void {
    const name = this.#names.get(association);
    if (name === undefined) return;
    this.#names.delete(association);
    this.#known.delete(name);
    this.#port.tellEnded(name);
  }

  #seal(name: string, datagram: Uint8Array): void {
    const association = this.#known.get(name);
    // It has ended meanwhile: lost, as on any network.
    if (association === undefined || this.#driver.closed) return;
    this.#driver.run((endpoint, now) => endpoint.sendFromElsewhere(association, datagram, now));
  }
}

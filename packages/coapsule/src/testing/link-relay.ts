/**
 * A simulated link in real time, between programs that talk over sockets: a client, and a server that it reaches by the
 * port of the relay. For tests of whole programs, whoever wrote them; where no sockets are needed, `Pair` is exact and
 * takes no time.
 *
 * Each client has a socket of its own towards the server, so that the server tells them apart. On the way datagrams
 * meet the conditions of `simulated-network.ts`. Fates repeat with the seed as far as the programs send the same
 * datagrams in the same order.
 *
 * @module
 */

import type { LinkProfileName } from '../core/coap/link-profile.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { elapsedMs } from '../core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { openUdpSocket, type UdpSocket } from '../node/udp-socket.ts';
import { linkProfiles } from './link-profiles.ts';
import type { NetworkConditions } from './network-conditions.ts';
import { SimulatedNetwork } from './simulated-network.ts';

/** What a relay connects, and how. */
export interface LinkRelayOptions {
  /** Where the server listens. */
  readonly server: { readonly host?: string; readonly port: number };
  readonly profile?: LinkProfileName;
  /** Laid over those of the profile; without both the line is perfect and has 10 ms one way. */
  readonly conditions?: Partial<NetworkConditions>;
  /** 1 by default. */
  readonly seed?: number;
}

/** Clients at most; the one that came first loses its way back. */
const maxClients = 256;

/** See the module comment. */
export class LinkRelay implements AsyncDisposable {
  /** The link; its conditions may be changed while it runs, its hook set. */
  readonly network: SimulatedNetwork;
  readonly #server: PeerAddress;
  readonly #backs = new Map<string, Promise<UdpSocket>>();
  #front: UdpSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor({ server, profile, conditions, seed }: LinkRelayOptions) {
    this.#server = ipAddress(server.host ?? '127.0.0.1', server.port);
    this.network = new SimulatedNetwork({
      seed: seed ?? 1,
      conditions: { ...(profile === undefined ? {} : linkProfiles[profile]), ...conditions },
      keepSent: false,
    });
    this.network.attach(this.#server, (datagram, from) => {
      void this.#backs.get(from.key)?.then((back) => back.send(datagram, this.#server));
    });
  }

  /** Opens a relay on a free port of the loopback address. */
  static async open(options: LinkRelayOptions): Promise<LinkRelay> {
    const relay = new LinkRelay(options);
    relay.#front = await openUdpSocket({
      host: '127.0.0.1',
      onDatagram: (datagram, from) => relay.#fromClient(datagram, from),
      onError: () => void relay.close(),
    });
    return relay;
  }

  /** Where clients reach the server; on 127.0.0.1. */
  get port(): number {
    if (this.#front === undefined) throw new ApiMisuseError('the relay is not open');
    return this.#front.local.port;
  }

  /**
   * From now on its clients come to the server from other ports, as when a NAT has forgotten them or they are in another
   * network. What travels is lost.
   */
  async rebind(): Promise<void> {
    await this.#closeBacks();
  }

  /** Closes all sockets; what travels is lost. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#front?.close();
    await this.#closeBacks();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeBacks(): Promise<void> {
    const backs = [...this.#backs.values()];
    this.#backs.clear();
    for (const back of backs) await (await back.catch(() => undefined))?.close();
  }

  #fromClient(datagram: Uint8Array, from: PeerAddress): void {
    if (!this.#backs.has(from.key)) this.#welcome(from);
    this.#send(from, this.#server, datagram);
  }

  #welcome(client: PeerAddress): void {
    if (this.#backs.size >= maxClients) {
      const [[key, back]] = this.#backs as unknown as [[string, Promise<UdpSocket>]];
      this.#backs.delete(key);
      void back.then((socket) => socket.close());
    }
    const back = openUdpSocket({
      remote: this.#server,
      host: this.#server.host.includes(':') ? '::' : '0.0.0.0',
      onDatagram: (datagram) => this.#send(this.#server, client, datagram),
      onError: () => {}, // nobody listens: to the client that is silence, as over a real link
    });
    this.#backs.set(client.key, back);
    this.network.attach(client, (datagram) => this.#front?.send(datagram, client));
  }

  #send(from: PeerAddress, to: PeerAddress, datagram: Uint8Array): void {
    if (this.#closed) return;
    this.network.send(from, to, datagram, monotonicClock.now());
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    const now = monotonicClock.now();
    this.network.deliverDue(now);
    const next = this.network.nextArrival();
    if (next === undefined || this.#closed) return;
    // Node's timers fire up to a millisecond early; then the pump runs once more.
    this.#timer = setTimeout(() => this.#pump(), Math.max(0, elapsedMs(now, next)));
  }
}

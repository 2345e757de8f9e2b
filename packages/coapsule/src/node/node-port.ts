/**
 * One address that several machines answer at, as one of them sees it: records of associations that another one has, and answers
 * to peers that came by another one.
 *
 * The connection ids of each machine have its number (see `NodeLink`). A record with the number of another one goes there with the
 * address of its sender; whoever has the association answers by the machine that the peer was heard by last, since the way back
 * (an address translation, a balancer) may be open there only. Nothing here is authenticated but what the link brings: it
 * steers, and the association decides.
 *
 * @module
 */

import { connectionIdByte } from '../core/dtls/record/record-steering.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { RecencyMap } from '../core/foundation/recency-map.ts';
import type { DatagramReceiver } from './datagram-socket.ts';

/** Between the machines that answer at one address. Whoever implements it sees to it that nobody else can use it. */
export interface NodeLink {
  /** The number of this machine among them, 0 to 255: the second byte of the connection ids that it gives. */
  readonly number: number;
  /** Whether another machine has this number. */
  has(number: number): boolean;
  /** Sends a datagram that came from `peer` to the machine that has its association. It may be lost. */
  forward(number: number, datagram: Uint8Array, peer: PeerAddress): void;
  /** Sends a datagram to the machine that sends it on to `peer`. It may be lost. */
  answer(number: number, datagram: Uint8Array, peer: PeerAddress): void;
  /** Is called once; the returned function ends it. */
  open(events: NodeLinkEvents): () => void;
}

/** What comes from the other machines. */
export interface NodeLinkEvents {
  /** A machine has forwarded a datagram that came to it. The datagram belongs to the callee. */
  readonly forwarded: (number: number, datagram: Uint8Array, host: string, port: number) => void;
  /** A machine has an answer for a peer that came by this one. */
  readonly answered: (datagram: Uint8Array, host: string, port: number) => void;
}

/** Where the number stands in a connection id, behind that of the worker. */
const nodeNumberOffset = 1;

/** Peers that came by other machines and are remembered; the one that was heard longest ago goes first. */
const mostPeers = 100_000;

/** See the module comment. */
export class NodePort {
  readonly #link: NodeLink;
  /** By address: which machine the peer was heard by last, where that was another one. */
  readonly #heardBy = new RecencyMap<number>();
  #end: (() => void) | undefined;

  constructor(link: NodeLink) {
    this.#link = link;
  }

  /**
   * @param send By the own socket.
   * @param isOwn Whether the connection id of a datagram is one of an association here.
   */
  open(
    receive: DatagramReceiver,
    send: (datagram: Uint8Array, to: PeerAddress) => void,
    isOwn: (datagram: Uint8Array) => boolean,
  ): void {
    this.#end = this.#link.open({
      forwarded: (number, datagram, host, port) => {
        const from = ipAddress(host, port);
        // Else whoever writes the address of a peer on datagrams would turn away what that peer is told, or crowd it out.
        if (isOwn(datagram)) this.#heardBy.set(from.key, number);
        this.#heardBy.keepLatest(mostPeers);
        receive(datagram, from);
      },
      answered: (datagram, host, port) => send(datagram, ipAddress(host, port)),
    });
  }

  /**
   * Forwards a datagram that came to the own socket when it is for another machine.
   *
   * @param isOwn Whether its connection id is one of an association here: those given before the machine had its number may look like
   *        those of another one.
   * @returns whether nothing is left to do here.
   */
  divert(datagram: Uint8Array, from: PeerAddress, isOwn: (datagram: Uint8Array) => boolean): boolean {
    const number = connectionIdByte(datagram, nodeNumberOffset);
    if (number < 0 || number === this.#link.number || !this.#link.has(number) || isOwn(datagram)) {
      // It is heard here now, and is answered from here.
      this.#heardBy.delete(from.key);
      return false;
    }
    this.#link.forward(number, datagram, from);
    return true;
  }

  /** Sends by the machine that the peer was heard by. @returns false for one that was heard here. */
  answer(datagram: Uint8Array, to: PeerAddress): boolean {
    const number = this.#heardBy.size === 0 ? undefined : this.#heardBy.get(to.key);
    if (number === undefined) return false;
    this.#link.answer(number, datagram, to);
    return true;
  }

  close(): void {
    this.#end?.();
  }
}

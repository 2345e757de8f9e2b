/**
 * One CoAP endpoint on one socket, plain or secured: it owns the layers and calls the plot files.
 * The plot of receiving is in `receive-path.ts`, of sending in `send-path.ts`, of time in `timeout-path.ts`.
 *
 * RFC 7252, RFC 7641, RFC 7959, RFC 6347. No socket, clock or random generator: see `ProtocolMachine`.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type {
  AssociationId,
  Connected,
  ImportOptions,
  ImportRefusal,
  PeerVerdict,
  PskAnswer,
} from '../dtls/dtls-layer.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import type { PeerTraffic } from '../message-layer/message-layer.ts';
import type { ContextProvider } from '../oscore/context-lookup.ts';
import { flatOscoreCounters, type OscoreCounters, type StoreId } from '../oscore/oscore-layer.ts';
import type {
  ActiveObservation,
  BodySource,
  ExchangeId,
} from '../request-response/request-response-layer.ts';
import { forgetPeer } from './association-end.ts';
import {
  type CopyOptions,
  copyAssociation,
  exportAssociation,
  importAssociation,
  type SuspendedState,
  suspendAssociations,
} from './association-handover.ts';
import { withCarrier } from './datagram-oscore.ts';
import { type EndpointConfigInput, endpointConfig } from './endpoint-config.ts';
import { type EndpointCounters, type EndpointLayers, endpointLayers } from './endpoint-layers.ts';
import type { AssociationReport, EndpointStatistics } from './endpoint-statistics.ts';
import { restoreLink } from './link-restoration.ts';
import type { EndpointOutput, OutgoingGroupRequest, OutgoingRequest, RequestId } from './outputs.ts';
import { receiveDatagram } from './receive-path.ts';
import { securedPeerKey } from './secured-peers.ts';
import { sendGroupRequest, sendRequest } from './send-path.ts';
import { settleLayers } from './settle-layers.ts';
import { runDueTimers } from './timeout-path.ts';
import { cancelUnsent } from './waiting-requests.ts';

/** One datagram from the network. The endpoint keeps and changes `datagram`: hand over a copy of a reused buffer. */
export interface EndpointInput {
  readonly address: PeerAddress;
  readonly datagram: Uint8Array;
  /** The multicast address it was sent to; absent for one to this endpoint alone (RFC 7252 §8.1). */
  readonly group?: PeerAddress;
}

/** What an application answers to a request. */
export interface OutgoingResponse {
  readonly code: Code;
  readonly options: OptionReader;
  /** The whole body; it goes block-wise when it is larger than `blockSize`. */
  readonly payload: Uint8Array;
  /** The body instead of `payload`: asked for by `body-wanted` as it is sent. */
  readonly body?: BodySource;
  /** Accepts the observation that the request asked for (RFC 7641 §4.1). */
  readonly observe?: boolean;
  /**
   * Whether a retransmission of the request gets this answer again (true), or may run the handler again
   * (false, for safe methods only: RFC 7252 §4.5).
   */
  readonly keepAnswer: boolean;
}

/**
 * What an endpoint is made of. `crypto` is needed for a secured one, and for Echo (RFC 9175 §2): a plain one without it
 * answers unproved addresses in blocks that fit, and leaves out what fits in no block.
 */
export interface EndpointOptions {
  readonly config?: EndpointConfigInput;
  readonly random: RandomSource;
  readonly crypto?: CryptoProvider;
  /** Whose requests under OSCORE are understood (RFC 8613); none without it. */
  readonly oscore?: ContextProvider;
}

/** The machine. After each call drain `poll`, then ask `nextTimeout`. */
export class Endpoint implements ProtocolMachine<EndpointInput, EndpointOutput> {
  readonly #layers: EndpointLayers;

  constructor(options: EndpointOptions) {
    const { random, crypto, oscore } = options;
    const config = endpointConfig(options.config ?? {});
    this.#layers = withCarrier(endpointLayers(config, random, crypto, oscore));
  }

  /** What was refused or went wrong since the start. */
  get counters(): Readonly<EndpointCounters> {
    return this.#layers.counters;
  }

  /** Observations this endpoint has registered, by token (requirement G06). */
  activeObservations(): readonly ActiveObservation[] {
    return this.#layers.exchanges.activeObservations();
  }

  /** The layers' own counters, for diagnostics. */
  layerCounters(): Readonly<Record<'messages' | 'exchanges', Readonly<Record<string, number>>>> {
    const { messages, exchanges } = this.#layers;
    return { messages: { ...messages.counters }, exchanges: { ...exchanges.counters } };
  }

  /** What OSCORE protected, verified and refused. */
  get oscoreCounters(): Readonly<OscoreCounters> {
    return this.#layers.oscore.layer.counters;
  }

  /** All counters, and what is held now. */
  statistics(): EndpointStatistics {
    const { dtls, exchanges, counters, messages } = this.#layers;
    const { droppedByDtls, ...endpoint } = counters;
    return {
      associations: dtls?.size ?? 0,
      observers: exchanges.observerCount(),
      openExchanges: this.openExchanges,
      endpoint,
      messages: { ...messages.counters },
      exchanges: { ...exchanges.counters },
      oscore: flatOscoreCounters(this.oscoreCounters),
      droppedRecords: { ...droppedByDtls },
    };
  }

  /** What went by an association, and what is known of its path; undefined when it is gone. */
  associationReport(association: AssociationId, now: Instant): AssociationReport | undefined {
    const { dtls, exchanges, messages } = this.#layers;
    const traffic = dtls?.traffic(association, now);
    const info = dtls?.association(association);
    if (traffic === undefined || info?.established !== true) return undefined;
    const key = securedPeerKey(association);
    return {
      ...traffic,
      address: info.address,
      idleMs: elapsedMs(info.lastActivity, now),
      path: messages.traffic(key, now),
      observations: exchanges.observerCount(key),
    };
  }

  /** Requests and answers that are under way, or that something may still come for; zero when nothing leaks. */
  get openExchanges(): number {
    return this.#layers.requests.size;
  }

  /** Exchanges under OSCORE of which something is kept. */
  get protectedExchanges(): number {
    return this.#layers.oscore.size;
  }

  /** What is on its way to the peer at an address, what waits, and what is known about the path (RFC 7252 §4.7). */
  traffic(address: PeerAddress, now: Instant): PeerTraffic {
    const { dtls, messages, peers } = this.#layers;
    const association = dtls?.associationAt(address);
    const peer =
      association === undefined ? peers.atAddress(address) : peers.ofAssociation(association, address);
    return messages.traffic(peer.key, now);
  }

  /** Whether there is an association, or a handshake under way, with the peer at an address. */
  hasAssociationAt(address: PeerAddress): boolean {
    return this.#layers.dtls?.associationAt(address) !== undefined;
  }

  /** Whether a datagram begins with a record whose connection id was given here. */
  hasConnectionIdOf(datagram: Uint8Array): boolean {
    return this.#layers.dtls?.hasConnectionIdOf(datagram) ?? false;
  }

  handle(input: EndpointInput, now: Instant): void {
    receiveDatagram(this.#layers, input.address, input.datagram, now, input.group);
    this.#settle(now);
  }

  handleTimeout(now: Instant): void {
    runDueTimers(this.#layers, now);
    this.#settle(now);
  }

  poll(): EndpointOutput | undefined {
    const { outputs, ended } = this.#layers;
    const output = outputs.shift();
    if (output === undefined && ended.size > 0) ended.clear();
    return output;
  }

  nextTimeout(): Instant | undefined {
    const { dtls, messages, exchanges, backOff, doubted, oscore } = this.#layers;
    let next = earliest(dtls?.nextTimeout(), messages.nextTimeout());
    next = earliest(next, exchanges.nextTimeout());
    next = earliest(next, backOff.nextTimeout());
    next = earliest(next, doubted.nextTimeout());
    return earliest(next, oscore.nextTimeout());
  }

  /** Sends a request; its outputs carry the returned name. `serverName` goes into the handshake (RFC 6066 §3). */
  request(address: PeerAddress, request: OutgoingRequest, now: Instant, serverName?: string): RequestId {
    const name = sendRequest(this.#layers, address, serverName, request, now);
    this.#settle(now);
    return name;
  }

  /**
   * Sends a request to all members of a group (RFC 7252 §8): a `response` for each device, then `window-ended`.
   *
   * @throws ApiMisuseError on an endpoint without `groups`.
   */
  multicast(group: PeerAddress, request: OutgoingGroupRequest, now: Instant): RequestId {
    if (!this.#layers.config.groups) throw new ApiMisuseError('groups is false; expected true for multicast');
    const name = sendGroupRequest(this.#layers, group, request, now);
    this.#settle(now);
    return name;
  }

  /** Sends a CoAP ping (RFC 7252 §4.3); its output is `pong` or `request-failed`. */
  ping(address: PeerAddress, now: Instant, serverName?: string): RequestId {
    const name = sendRequest(this.#layers, address, serverName, undefined, now);
    this.#settle(now);
    return name;
  }

  /**
   * Gives up a request, or ends an observation with the server's knowledge (RFC 7641 §3.6).
   *
   * @param isForgotten An observation is not deregistered: its next notification is reset.
   */
  cancel(request: RequestId, now: Instant, isForgotten = false): void {
    const { requests, messages, exchanges, backOff } = this.#layers;
    const ping = requests.pingTransmission(request);
    const exchange = requests.exchangeOf(request);
    if (requests.stopWaiting(request) || backOff.release(request)) return;
    if (cancelUnsent(this.#layers, request)) return;
    if (ping !== undefined) {
      messages.stop(ping);
      requests.endPing(request);
    }
    if (exchange !== undefined) exchanges.cancel(exchange, now, isForgotten);
    this.#settle(now);
  }

  /** Answers a request. Answers to exchanges that have ended are ignored. */
  respond(exchange: ExchangeId, response: OutgoingResponse, now: Instant): void {
    this.#layers.exchanges.respond(exchange, response, now);
    this.#settle(now);
  }

  /** The next bytes of a body that `body-wanted` asked for, at most so many; `last`: none follow. */
  provideBody(source: BodySource, bytes: Uint8Array, last: boolean, now: Instant): void {
    this.#layers.exchanges.provideBody(source, bytes, last, now);
    this.#settle(now);
  }

  /** A body cannot be handed over any further: its request fails, a response with it breaks off. */
  failBody(source: BodySource, detail: string, now: Instant): void {
    this.#layers.exchanges.failBody(source, detail, now);
    this.#settle(now);
  }

  /** The part of a request's body that was given last is taken: the client may send the next. */
  continueRequestBody(exchange: ExchangeId, now: Instant): void {
    this.#layers.exchanges.continueBody(exchange, now);
    this.#settle(now);
  }

  /** The part of a response's body that was given last is taken: the next is asked for. */
  continueResponseBody(request: RequestId, now: Instant): void {
    const exchange = this.#layers.requests.exchangeOf(request);
    if (exchange !== undefined) this.#layers.exchanges.continueBody(exchange, now);
    this.#settle(now);
  }

  /** Tells that a resource changed: each observer's request comes out again, as a refresh (RFC 7641 §4.2). */
  notify(resource: string, now: Instant): void {
    this.#layers.exchanges.notify(resource, now);
    this.#settle(now);
  }

  /** Tells that what one observer is shown has changed: its request comes out again. `exchange` is of its registration. */
  notifyObserver(exchange: ExchangeId, now: Instant): void {
    this.#layers.exchanges.notifyObserver(exchange, now);
    this.#settle(now);
  }

  /** Answers a `psk-lookup`. `undefined` means that nobody is known by that identity. */
  answerPskLookup(lookup: number, answer: PskAnswer | undefined, now: Instant): void {
    this.#layers.dtls?.answerPskLookup(lookup, answer, now);
    this.#settle(now);
  }

  /** Answers a `verify-peer`. */
  answerPeerVerification(verification: number, verdict: PeerVerdict, now: Instant): void {
    this.#layers.dtls?.answerPeerVerification(verification, verdict, now);
    this.#settle(now);
  }

  /** Exports keying material of an association (RFC 5705); see `DtlsLayer.exportKeyingMaterial`. */
  exportKeyingMaterial(
    association: AssociationId,
    label: string,
    context: Uint8Array | undefined,
    length: number,
  ): Uint8Array | undefined {
    return this.#layers.dtls?.exportKeyingMaterial(association, label, context, length);
  }

  /** Where the peer of an association is now (RFC 9146 §6); undefined when it is gone. */
  addressOf(association: AssociationId): PeerAddress | undefined {
    return this.#layers.dtls?.association(association)?.address;
  }

  /** All established associations. */
  associations(): readonly AssociationId[] {
    return this.#layers.dtls?.associations() ?? [];
  }

  /**
   * What `connected` told of an association, but for `imported` and `replaced`. One that has ended is known until `poll` has
   * given all that came before.
   */
  association(association: AssociationId): Connected | undefined {
    return this.#layers.dtls?.connected(association) ?? this.#layers.ended.get(association);
  }

  /** Sends a message of the endpoint that has what is under OSCORE (`peer-share.ts`) by an association of this one. */
  sendFromElsewhere(association: AssociationId, datagram: Uint8Array, now: Instant): void {
    this.#layers.dtls?.send(association, datagram, now);
    this.#settle(now);
  }

  /** Nothing comes from an address any more: what was under way with it is over. */
  forgetPeer(address: PeerAddress, now: Instant): void {
    forgetPeer(this.#layers, this.#layers.peers.atAddress(address), now);
    this.#settle(now);
  }

  /** Ends an association with close_notify. */
  closeAssociation(association: AssociationId, now: Instant): void {
    this.#layers.dtls?.close(association, now);
    this.#settle(now);
  }

  /**
   * Ends all associations with close_notify, gives up the handshakes that requests wait for, and releases bodies that are
   * handed over.
   */
  closeAll(now: Instant): void {
    const { dtls, requests } = this.#layers;
    for (const association of [...requests.awaitedAssociations(), ...this.associations()]) {
      dtls?.close(association, now);
    }
    this.#layers.exchanges.releaseBodies();
    this.#settle(now);
  }

  /**
   * The link to all peers was interrupted, as a serial line that was unplugged, and is there again: what was lost with it
   * goes once more, at once, and a server that does not answer gets a new handshake.
   */
  linkRestored(now: Instant): void {
    restoreLink(this.#layers, now);
    this.#settle(now);
  }

  // Associations that outlive this process (docs/sleep-and-wake.md).

  /**
   * Ends an association without a word to the peer and returns it as bytes; requests under way fail. Nothing can be
   * sent by it any more; whoever imports the bytes goes on with its Message IDs and tokens.
   *
   * @param generation Grows with each export, so that an older copy can be refused.
   */
  exportAssociation(association: AssociationId, generation: number, now: Instant): Uint8Array | undefined {
    const state = exportAssociation(this.#layers, association, generation);
    this.#settle(now);
    return state;
  }

  /** An association as bytes for the time after a crash: `writeFrom` is a number that was reserved for then. */
  copyAssociation(association: AssociationId, options: CopyOptions): Uint8Array | undefined {
    return copyAssociation(this.#layers, association, options);
  }

  /** Goes on with an exported association at an address; its output is `connected` with `imported`. */
  importAssociation(
    state: Uint8Array,
    address: PeerAddress,
    options: ImportOptions,
    now: Instant,
  ): AssociationId | ImportRefusal {
    const layers = this.#layers;
    const { dtls } = layers;
    if (dtls === undefined) {
      throw new ApiMisuseError("security: got 'none', expected 'dtls' for an association");
    }
    const result = importAssociation({ ...layers, dtls }, state, address, options, now);
    this.#settle(now);
    return result;
  }

  /** Ends the kept associations silently, with exact values for the next process. */
  suspendAssociations(now: Instant): readonly SuspendedState[] {
    const suspended = suspendAssociations(this.#layers);
    this.#settle(now);
    return suspended;
  }

  /** Answers a `reserve-sequence`. */
  reservationStored(association: AssociationId, upTo: number, now: Instant): void {
    this.#layers.dtls?.keeping.reservationStored(association, upTo);
    this.#settle(now);
  }

  /** Answers an `advance-edge`. */
  edgeStored(association: AssociationId, edge: number): void {
    this.#layers.dtls?.keeping.edgeStored(association, edge);
  }

  /** A `reserve-sequence` or `advance-edge` could not be stored. */
  storingFailed(association: AssociationId, now: Instant): void {
    this.#layers.dtls?.keeping.storingFailed(association);
    this.#settle(now);
  }

  /** A `keep-association` could not be stored. */
  stopKeeping(association: AssociationId, now: Instant): void {
    this.#layers.dtls?.keeping.stopKeeping(association);
    this.#settle(now);
  }

  /** Answers a `store-context`: the record is on disk, also after a loss of power. */
  contextStored(store: StoreId, now: Instant): void {
    this.#layers.oscore.layer.stored(store);
    this.#settle(now);
  }

  /** A `store-context` could not be stored: what waits for it is not sent, or not carried out. */
  contextStoringFailed(store: StoreId, now: Instant, detail?: string): void {
    this.#layers.oscore.layer.storeFailed(store, detail);
    this.#settle(now);
  }

  #settle(now: Instant): void {
    settleLayers(this.#layers, now);
  }
}

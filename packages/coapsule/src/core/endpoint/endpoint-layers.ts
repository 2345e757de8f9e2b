/**
 * The layers of one endpoint, as the receive path and the send path see them, and how they are put together.
 *
 * @module
 */

import { exchangeLifetimeMs } from '../coap/transmission-parameters.ts';
import { type AssociationId, DtlsLayer } from '../dtls/dtls-layer.ts';
import type { Connected, DtlsDiscardReason } from '../dtls/dtls-output.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { MessageLayer } from '../message-layer/message-layer.ts';
import type { ContextProvider } from '../oscore/context-lookup.ts';
import type { AddressLimit } from '../request-response/address-limit.ts';
import { EchoValues } from '../request-response/echo.ts';
import { RequestResponseLayer } from '../request-response/request-response-layer.ts';
import { StatelessTokens, statelessOverhead } from '../request-response/stateless-tokens.ts';
import { AmplificationLimit } from './amplification-limit.ts';
import { BackOff } from './back-off.ts';
import { DoubtedAssociations } from './doubted-associations.ts';
import { type EndpointConfig, lineRate } from './endpoint-config.ts';
import type { OscoreCarrier } from './oscore-carrier.ts';
import { OscoreExchanges } from './oscore-exchanges.ts';
import { isUnderOscore } from './oscore-peers.ts';
import type { EndpointOutput } from './outputs.ts';
import type { Peer } from './peer.ts';
import { messageIdsOf } from './peer-share.ts';
import { PeerTable } from './peer-table.ts';
import { RequestTable } from './request-table.ts';

/** Everything that the plot files work on. Each of them changes only these parts. */
export interface EndpointLayers {
  readonly config: EndpointConfig;
  /** Absent on plain CoAP. */
  readonly dtls: DtlsLayer | undefined;
  /** Absent where every peer is an association, where this side only asks, or where no limit was wanted. */
  readonly amplification: AmplificationLimit | undefined;
  /** Absent without cryptography. */
  readonly echo: EchoValues | undefined;
  /** Absent without cryptography, or extended tokens. */
  readonly stateless: StatelessTokens | undefined;
  readonly messages: MessageLayer;
  readonly oscore: OscoreExchanges<Peer>;
  /** How messages under OSCORE go and come. */
  readonly carrier: OscoreCarrier<Peer>;
  readonly exchanges: RequestResponseLayer;
  readonly peers: PeerTable;
  /** Associations that ended while outputs that are about them wait. */
  readonly ended: Map<AssociationId, Connected>;
  readonly requests: RequestTable;
  readonly outputs: OutputQueue<EndpointOutput>;
  readonly counters: EndpointCounters;
  /** Servers that asked for time. */
  readonly backOff: BackOff;
  /** Associations whose keys are nearly used up, and the handshakes that are to replace them. */
  readonly renewals: Map<AssociationId, AssociationId>;
  /** Since the link was interrupted. */
  readonly doubted: DoubtedAssociations;
}

/** What went wrong, or was refused, since the start. */
export interface EndpointCounters {
  /** Datagrams that are not CoAP messages. */
  malformedMessages: number;
  /** Datagrams to a group that are no NON request: never answered (RFC 7252 §8.1). */
  ignoredFromGroups: number;
  /** Responses and notifications whose token belongs to no exchange (requirement G08). */
  unmatchedResponses: number;
  /** Requests answered 5.03 because stored answers fill their bounds. */
  overloaded: number;
  /** Requests that failed or waited because the server had asked for time (5.03, 4.29). */
  backedOff: number;
  /** Messages that had no association or peer to go to. */
  unsendable: number;
  /** Messages not sent, as more than three times the bytes that came would go to an unproved address (RFC 7252 §11.3). */
  overAmplificationLimit: number;
  /** Records kept back because the peer's new address was not proved (RFC 9146 §9). */
  keptBack: number;
  /** What the DTLS layer dropped, by reason (requirement P04): `authentication-failed`, `handshake-rate`, … */
  readonly droppedByDtls: Partial<Record<DtlsDiscardReason, number>>;
}

/**
 * The layers of a new endpoint, but for what works on all of them.
 *
 * @throws ApiMisuseError for a secured endpoint without `crypto`.
 */
export function endpointLayers(
  config: EndpointConfig,
  random: RandomSource,
  crypto: CryptoProvider | undefined,
  oscore?: ContextProvider,
): Omit<EndpointLayers, 'carrier'> {
  if (config.security === 'dtls' && crypto === undefined) {
    throw new ApiMisuseError('a secured endpoint needs a CryptoProvider: pass `crypto`');
  }
  const line = lineRate(config);
  const dtls =
    config.security === 'dtls' && crypto !== undefined
      ? new DtlsLayer({ role: config.role, crypto, random, config: config.dtls })
      : undefined;
  const peers = new PeerTable(config.maxPlainPeers, (association) => dtls?.association(association));
  // A client alone sends to addresses of its own choice only, and answers nothing at length.
  const amplification =
    config.security === 'none' && config.role !== 'client' && !config.dangerouslyUnlimitedAmplification
      ? new AmplificationLimit(config.maxPlainPeers)
      : undefined;
  const echo = crypto && new EchoValues(crypto, random);
  const lifetimeMs = config.requestResponse.exchangeLifetimeMs ?? exchangeLifetimeMs(config.transmission);
  const stateless =
    crypto && config.role !== 'server' && config.maxTokenLength > statelessOverhead
      ? new StatelessTokens(crypto, random, lifetimeMs)
      : undefined;
  return {
    config,
    dtls,
    amplification,
    echo,
    stateless,
    messages: new MessageLayer({
      parameters: config.transmission,
      congestionControl: config.congestionControl,
      nstartOf: (key) => {
        const address = peers.withKey(key)?.address;
        return address && nstart(config.nstartFor(address));
      },
      random,
      limits: config.messageLimits,
      authenticatedPeers: config.security === 'dtls',
      oneMessageIdSpace: config.groups,
      messageIds: messageIdsOf[config.share],
      ...(line === undefined ? {} : { line }),
    }),
    oscore: new OscoreExchanges(oscore),
    exchanges: new RequestResponseLayer({
      random,
      config: { ...config.requestResponse, blockSizeFor: (peer) => peers.blockSizeFor(peer) },
      ...(echo === undefined ? {} : { echo }),
      ...(stateless === undefined ? {} : { stateless }),
      ...(amplification === undefined ? {} : { addressLimit: exceptUnderOscore(amplification) }),
    }),
    peers,
    ended: new Map(),
    requests: new RequestTable(),
    outputs: new OutputQueue(),
    counters: {
      malformedMessages: 0,
      ignoredFromGroups: 0,
      unmatchedResponses: 0,
      overloaded: 0,
      backedOff: 0,
      unsendable: 0,
      overAmplificationLimit: 0,
      keptBack: 0,
      droppedByDtls: {},
    },
    backOff: new BackOff(),
    renewals: new Map(),
    doubted: new DoubtedAssociations(),
  };
}

/** RFC 9175 §2.6: whom nobody vouches for is limited; under OSCORE every message says who sent it. */
function exceptUnderOscore(limit: AddressLimit): AddressLimit {
  return {
    allowance: (peer, now) => (isUnderOscore(peer) ? Infinity : limit.allowance(peer, now)),
    takesEcho: (peer, now) => !isUnderOscore(peer) && limit.takesEcho(peer, now),
    mayAsk: (peer, now) => !isUnderOscore(peer) && limit.mayAsk(peer, now),
    isAsking: (peer) => limit.isAsking(peer),
  };
}

/** What `nstartFor` says, checked as the parameter is (RFC 7252 §4.7). */
function nstart(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return value;
  throw new ApiMisuseError(`nstartFor gave ${value}; expected a whole number of 1 or more`);
}

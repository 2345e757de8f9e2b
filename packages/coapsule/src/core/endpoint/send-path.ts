/**
 * The road of a request or a response from the application to the network, from top to bottom.
 *
 *   0 request → now, or when the server wants to hear of it again    (RFC 7252 §5.9.3.4, RFC 8516)
 *   1 request → association, after a handshake where one is needed   (RFC 7252 §9.1)
 *   2 → Exchange: token, blocks, Observe                             (RFC 7252 §5, 7641, 7959)
 *   3 → Message: type, Message ID, retransmission                    (RFC 7252 §4)
 *   4 → bytes → record; here come in, by `Endpoint.sendFromElsewhere`,
 *     messages of the other of two endpoints (`peer-share.ts`)       (RFC 6347)
 *   5 → datagram, which its socket may hold for the end of the turn
 *     (`node/send-batch.ts`)
 *
 * @module
 */

import { isResponseCode } from '../coap/code.ts';
import type { AssociationId, DtlsLayer } from '../dtls/dtls-layer.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { MessageLayerOutput, ReplyHandle } from '../message-layer/message-layer.ts';
import { splitRequestOptions } from '../oscore/split-options.ts';
import { checkRequest, type RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { askForProof, mayBeSent, sendKeptBack } from './address-proof.ts';
import { isHeldBack } from './back-off.ts';
import type { EndpointLayers } from './endpoint-layers.ts';
import { traceDiscarded, traceMessage } from './endpoint-trace.ts';
import { sendInPlace } from './outdated-responses.ts';
import type { OutgoingGroupRequest, OutgoingRequest, RequestError, RequestId } from './outputs.ts';
import type { Peer } from './peer.ts';
import { supersedeWaiting } from './waiting-requests.ts';

/** Step 0: a request, or a ping when `content` is absent, to `address`. */
export function sendRequest(
  layers: EndpointLayers,
  address: PeerAddress,
  serverName: string | undefined,
  content: OutgoingRequest | undefined,
  now: Instant,
): RequestId {
  // What cannot be encoded must throw while the caller is still there.
  if (content !== undefined) {
    checkRequest({ ...content, secure: layers.dtls !== undefined }, layers.config.maxTokenLength);
    if (content.oscore !== undefined) splitRequestOptions(content.options);
    if (content.state !== undefined && (layers.stateless === undefined || content.oscore !== undefined)) {
      // What a protected response is verified with would have to be kept (RFC 8613 §8.4).
      const expected = 'an endpoint with `crypto` that is not a server alone, and no `oscore`';
      throw new ApiMisuseError(`state: expected ${expected}`);
    }
  }
  const request = layers.requests.newRequest();
  if (content === undefined || !isHeldBack(layers, { request, address, serverName, content }, now)) {
    reach(layers, address, serverName, request, content, now);
  }
  return request;
}

/** Step 0, later: requests whose server may be asked again. */
export function sendHeld(layers: EndpointLayers, now: Instant): void {
  for (let held = layers.backOff.expire(now); held !== undefined; held = layers.backOff.expire(now)) {
    if (isHeldBack(layers, held, now)) continue;
    reach(layers, held.address, held.serverName, held.request, held.content, now);
  }
}

/** Step 0, when a server asks for time: what waits for its turn in the message layer is not sent either. */
export function holdQueued(layers: EndpointLayers, peer: Peer, now: Instant): void {
  for (const { request, exchange, serverName, content } of layers.requests.boundTo(peer.key)) {
    // An observation ends by a message of its own; there is at most one registration for each resource.
    if (content.observe === true || content.whenBusy === 'send') continue;
    const transmissions = layers.requests.transmissionsOf(exchange);
    const isUnsent =
      transmissions.length === 1 && transmissions.every((id) => layers.messages.state(id) === 'waiting');
    if (!isUnsent || layers.backOff.heldUntil(peer.address, content, now) === undefined) continue;
    for (const id of transmissions) layers.messages.stop(id);
    layers.requests.end(exchange);
    layers.exchanges.cancel(exchange, now);
    isHeldBack(layers, { request, address: peer.address, serverName, content }, now);
  }
}

/**
 * Step 1: on a secured endpoint a request waits for the handshake, which the first one starts; there is no way from
 * here to an unsecured message.
 */
function reach(
  layers: EndpointLayers,
  address: PeerAddress,
  serverName: string | undefined,
  request: RequestId,
  content: OutgoingRequest | undefined,
  now: Instant,
): void {
  const { dtls } = layers;
  if (dtls === undefined) {
    startExchange(layers, layers.peers.atAddress(address), serverName, request, content, now);
    return;
  }
  const association = associationFor({ config: layers.config, dtls }, address, serverName, now);
  if (dtls.association(association)?.established) {
    startExchange(
      layers,
      layers.peers.ofAssociation(association, address),
      serverName,
      request,
      content,
      now,
    );
  } else {
    if (content?.replaces !== undefined) supersedeWaiting(layers, association, content.replaces);
    layers.requests.wait({ request, association, serverName, content });
  }
}

/** Steps 1 and 2 of a request to a group: there is no association, and no security (RFC 7252 §8.1). */
export function sendGroupRequest(
  layers: EndpointLayers,
  group: PeerAddress,
  content: OutgoingGroupRequest,
  now: Instant,
): RequestId {
  const request = layers.requests.newRequest();
  const exchange = layers.exchanges.groupRequest(group.key, content, now);
  const peer = layers.peers.atAddress(group);
  const bound = { request, exchange, peer, serverName: undefined };
  layers.requests.bind({ ...bound, content: { ...content, type: 'NON' } });
  return request;
}

/** Step 1 once more, for requests that were never sent: their association turned out to be dead. */
export function sendAgain(
  layers: EndpointLayers,
  address: PeerAddress,
  serverName: string | undefined,
  unsent: readonly { readonly request: RequestId; readonly content: OutgoingRequest }[],
  now: Instant,
): void {
  const { config, dtls, requests } = layers;
  if (dtls === undefined || unsent.length === 0) return;
  const association = associationFor({ config, dtls }, address, serverName, now);
  for (const { request, content } of unsent) requests.wait({ request, association, serverName, content });
}

/** The layers of a secured endpoint that know associations. */
type SecuredLayers = { readonly config: EndpointLayers['config']; readonly dtls: DtlsLayer };

/** The association for requests to an address, or the one that will be: of a handshake that begins here or is under way. */
function associationFor(
  layers: SecuredLayers,
  address: PeerAddress,
  serverName: string | undefined,
  now: Instant,
): AssociationId {
  const present = layers.dtls.associationAt(address);
  if (present !== undefined && carriesRequests(layers, present)) return present;
  return layers.dtls.connect(address, serverName === undefined ? {} : { serverName }, now);
}

/**
 * Whether requests to its address go over an association. On an endpoint that is client and server at once, the peer that
 * opened one as a client and proved nothing could be anybody: a request waits for a handshake of our own then.
 */
function carriesRequests({ config, dtls }: SecuredLayers, association: AssociationId): boolean {
  const info = dtls.association(association);
  if (!info?.established || config.role === 'server' || info.role === 'client') return true;
  return info.authentication.kind !== 'none';
}

/** Step 1, after the handshake: all that waited for it goes on, by priority and in order. */
export function sendWaiting(layers: EndpointLayers, association: AssociationId, now: Instant): void {
  const { config, dtls, requests } = layers;
  if (!requests.isAwaited(association)) return;
  const address = dtls?.association(association)?.address;
  if (dtls === undefined || address === undefined) return;
  const waiting = requests.takeWaiting(association);
  if (!carriesRequests({ config, dtls }, association)) {
    for (const one of waiting) {
      requests.wait({ ...one, association: associationFor({ config, dtls }, address, one.serverName, now) });
    }
    return;
  }
  const peer = layers.peers.ofAssociation(association, address);
  for (const { request, serverName, content } of waiting) {
    startExchange(layers, peer, serverName, request, content, now);
  }
}

/** Step 1, after a handshake that failed. */
export function failWaiting(layers: EndpointLayers, association: AssociationId, error: RequestError): void {
  for (const { request } of layers.requests.takeWaiting(association)) {
    layers.outputs.push({ kind: 'request-failed', request, error });
  }
}

/** Step 2. */
function startExchange(
  layers: EndpointLayers,
  peer: Peer,
  serverName: string | undefined,
  request: RequestId,
  content: OutgoingRequest | undefined,
  now: Instant,
): void {
  if (content === undefined) {
    layers.requests.sentPing(layers.messages.ping(peer.key, now), peer.key, request);
    return;
  }
  const { oscore } = content;
  // OSCORE binds responses to requests itself: no token need be new (RFC 9175 §4.2), and no bodies go in sets of blocks.
  const [to, security] =
    oscore === undefined
      ? [peer, { secure: peer.association !== undefined }]
      : [layers.peers.underOscore(peer, oscore), { secure: false, qBlock: false }];
  const exchange = layers.exchanges.request(to.key, { ...content, ...security }, now);
  layers.requests.bind({ request, exchange, peer: to, serverName, content });
}

/** Step 3: what the request/response layer wants sent. */
export function sendFromExchange(
  layers: EndpointLayers,
  output: Extract<
    RequestResponseOutput,
    {
      kind:
        | 'send-request'
        | 'send-response'
        | 'suppress-response'
        | 'acknowledge'
        | 'stop-request'
        | 'ask-for-proof';
    }
  >,
  now: Instant,
): void {
  switch (output.kind) {
    case 'send-request': {
      const bound = layers.requests.requestOf(output.exchange);
      const { priority, replaces } = bound?.content ?? {};
      const part = output.part && { body: output.exchange, ...output.part };
      const transmission = layers.messages.send(output.peer, output.type, output.message, now, {
        ...(priority === undefined ? {} : { priority }),
        // Of a body in several requests none takes the place of another.
        ...(replaces === undefined || part !== undefined ? {} : { replaces }),
        ...(part === undefined ? {} : { part }),
      });
      if (bound) bound.state = layers.messages.state(transmission) === undefined ? 'refused' : 'open';
      const owner = { role: 'client', peer: output.peer, exchange: output.exchange } as const;
      layers.requests.sent(transmission, owner, output.type === 'CON');
      if (part?.first && layers.messages.state(transmission) === 'waiting') {
        layers.exchanges.requestHeld(output.exchange);
      }
      return;
    }
    case 'send-response': {
      if (output.supersedes && sendInPlace(layers, output, now)) return;
      const { peer, exchange, message, type, keepAnswer } = output;
      const isProof = layers.amplification?.wantsAcknowledgement(peer, now) ?? false;
      const transmission =
        output.reply === undefined
          ? layers.messages.send(peer, type ?? 'CON', message, now, {
              isUnpredictable: isProof,
              isProbing: output.isProbing === true,
            })
          : layers.messages.reply(
              output.reply as ReplyHandle,
              message,
              { keepAnswer, isUnpredictable: isProof, type },
              now,
            );
      if (transmission === undefined) return;
      const replyType = output.reply === undefined ? 'CON' : (output.reply as ReplyHandle).type;
      layers.requests.sent(transmission, { role: 'server', peer, exchange }, (type ?? replyType) === 'CON');
      if (isProof) layers.requests.expectProof(transmission, peer);
      return;
    }
    case 'suppress-response':
      layers.messages.suppressReply(output.reply as ReplyHandle, output.keepAnswer, now);
      return;
    case 'acknowledge':
      layers.messages.acknowledge(output.reply as ReplyHandle, now);
      return;
    case 'stop-request':
      for (const transmission of layers.requests.transmissionsOf(output.exchange)) {
        layers.messages.stop(transmission);
        layers.requests.settled(transmission);
      }
      return;
    case 'ask-for-proof':
      askForProof(layers, output.peer, output.response, now);
      return;
  }
}

/** Steps 4 and 5: one encoded message to the network. */
export function transmitMessage(
  layers: EndpointLayers,
  output: Extract<MessageLayerOutput, { kind: 'transmit' }>,
  now: Instant,
): void {
  const peer = layers.peers.withKey(output.peer);
  if (peer === undefined) {
    layers.counters.unsendable++;
    return;
  }
  layers.exchanges.transmitted(output.peer, now);
  const { address } = peer;
  if (!mayBeSent(layers, output, now)) {
    layers.counters.overAmplificationLimit++;
    const reason = `${output.datagram.length} bytes are more than may go to an unproved address`;
    traceDiscarded(layers, 'message', address, reason);
    return;
  }
  traceMessage(layers, 'sent', address, output.datagram);
  if (layers.dtls === undefined) {
    layers.outputs.push({ kind: 'transmit', address, datagram: output.datagram });
    if (isResponseCode(output.datagram[1] as number)) sendKeptBack(layers, peer, now);
    return;
  }
  const result =
    peer.association === undefined
      ? 'no-association'
      : layers.dtls.send(peer.association, output.datagram, now);
  if (result === 'sent') return;
  layers.counters.unsendable++;
  const reason =
    result === 'too-large' ? 'the peer takes no record of this length' : 'the association is closed';
  traceDiscarded(layers, 'dtls', address, reason);
}

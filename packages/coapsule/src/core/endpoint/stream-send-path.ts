/**
 * The road of a request or a response from the application to a reliable transport, from top to bottom.
 *
 *   0 server that asked for time (5.03, 4.29)? → the request waits or fails (RFC 7252 §5.9.3.4, RFC 8516)
 *   1 request → connection, opened where there is none, and its peer's CSM   (RFC 8323 §3.3)
 *   2 → Exchange: token, blocks, Observe                                     (RFC 7252 §5, 7641, 7959)
 *   3 → bytes of the connection                                              (RFC 8323 §3.2, §5.3.1)
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import type { MessageContent } from '../coap/message-view.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { ConnectionEndCause } from '../connection/connection-output.ts';
import { noBytes } from '../foundation/bytes.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { splitRequestOptions } from '../oscore/split-options.ts';
import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { isHeldBack } from './back-off.ts';
import { isIdempotent } from './idempotence.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import type { StreamConnection, WaitingStreamRequest } from './stream-connections.ts';
import { type StreamLayers, traceStreamDiscarded } from './stream-layers.ts';

/** Steps 0 and 1: a request, or a ping when `content` is absent, to `address`. */
export function sendStreamRequest(
  layers: StreamLayers,
  address: PeerAddress,
  content: OutgoingRequest | undefined,
  now: Instant,
): RequestId {
  // What cannot be protected must throw while the caller is still there.
  if (content?.oscore !== undefined) splitRequestOptions(content.options);
  const request = layers.nextRequest++;
  if (
    content !== undefined &&
    isHeldBack(layers, { request, address, serverName: undefined, content }, now)
  ) {
    return request;
  }
  send(layers, address, request, { content, isRepeated: false }, now);
  return request;
}

/** Step 0, later: requests whose server may be asked again. */
export function sendHeldOnStream(layers: StreamLayers, now: Instant): void {
  const { backOff } = layers;
  for (let held = backOff.expire(now); held !== undefined; held = backOff.expire(now)) {
    const { address, request, content } = held;
    if (!isHeldBack(layers, held, now)) send(layers, address, request, { content, isRepeated: false }, now);
  }
}

function send(
  layers: StreamLayers,
  address: PeerAddress,
  request: RequestId,
  waiting: WaitingStreamRequest,
  now: Instant,
): void {
  const known = layers.connections.usable(address);
  if (known === undefined && isHeldOff(layers, address, request, now)) return;
  const connection = known ?? connect(layers, address);
  if (connection.isEstablished) startExchange(layers, connection, request, waiting, now);
  else connection.waiting.set(request, waiting);
}

/** Asks for a new transport. */
function connect(layers: StreamLayers, address: PeerAddress): StreamConnection {
  const connection = layers.connections.add(address, true);
  layers.outputs.push({ kind: 'open', connection: connection.peer.connection, address });
  return connection;
}

/** RFC 8323 §5.5: a server that asked not to be connected to is left alone for so long. */
function isHeldOff(layers: StreamLayers, address: PeerAddress, request: RequestId, now: Instant): boolean {
  const until = layers.holdOffs.get(address.key);
  if (until === undefined) return false;
  if (until <= now) {
    layers.holdOffs.delete(address.key);
    return false;
  }
  const seconds = Math.ceil(elapsedMs(now, until) / 1000);
  const end = {
    cause: 'released',
    detail: `the server asked not to be connected to for another ${seconds} s`,
  } as const;
  const error = { kind: 'connection-ended', end, wasSent: false } as const;
  layers.outputs.push({ kind: 'request-failed', request, error });
  return true;
}

/** Step 1, after the peer's CSM: all that waited for it goes on, in order. */
export function sendWaiting(layers: StreamLayers, connection: StreamConnection, now: Instant): void {
  for (const [request, waiting] of connection.waiting) {
    startExchange(layers, connection, request, waiting, now);
  }
  connection.waiting.clear();
}

/** What may be otherwise on another connection. After what a peer should not have sent there is nothing to hope for. */
const mayRepeatAfter: ReadonlySet<ConnectionEndCause> = new Set<ConnectionEndCause>([
  'closed',
  'released',
  'transport-failed',
  'aborted',
  'stalled',
  'pong-timeout',
]);

/**
 * A connection that was in use ended, as when its server restarts or gives up idle ones: requests that do no harm when
 * they are carried out twice, and had no answer yet, begin again on another one. Once each.
 */
export function repeatElsewhere(layers: StreamLayers, ended: StreamConnection, now: Instant): void {
  const { end, isInitiator, isEstablished } = ended;
  if (!isInitiator || !isEstablished || end === undefined || !mayRepeatAfter.has(end.cause)) return;
  for (const [exchange, bound] of [...layers.requests]) {
    const { connection, content, request, isRepeated, isAnswered } = bound;
    // A body that is handed over cannot begin again.
    if (content.body !== undefined || content.streamResponse === true) continue;
    if (connection !== ended || isRepeated || isAnswered || !isIdempotent(content.code)) continue;
    layers.requests.delete(exchange);
    layers.exchangeOf.delete(request);
    send(layers, ended.peer.address, request, { content, isRepeated: true }, now);
  }
}

/** Step 2. */
function startExchange(
  layers: StreamLayers,
  connection: StreamConnection,
  request: RequestId,
  { content, isRepeated }: WaitingStreamRequest,
  now: Instant,
): void {
  if (content === undefined) {
    const ping = connection.machine?.ping(false, now);
    if (ping !== undefined) connection.pings.set(ping, request);
    layers.talking.add(connection);
    return;
  }
  const { oscore } = content;
  // OSCORE binds responses to requests itself: no token need be new (RFC 9175 §4.2).
  const [to, secure] =
    oscore === undefined
      ? [connection.peer, layers.config.secure]
      : [layers.underOscore.of(connection.peer, oscore), false];
  const exchange = layers.exchanges.request(to.key, { ...content, secure }, now);
  layers.requests.set(exchange, { request, connection, content, isRepeated, isAnswered: false });
  layers.exchangeOf.set(request, exchange);
}

/** Step 3: what the request/response layer wants sent. */
export function sendFromStreamExchange(
  layers: StreamLayers,
  output: Extract<RequestResponseOutput, { kind: 'send-request' | 'send-response' }>,
  now: Instant,
): void {
  const { peer, message, exchange } = output;
  const connection = layers.connections.withKey(peer);
  if (connection === undefined) return;
  const result = sendMessage(layers, connection, message);
  if (output.kind === 'send-request') {
    // The transport sees to it that it arrives; what remains is to wait for the response.
    if (result === 'sent') layers.exchanges.requestAcknowledged(exchange, now);
    else if (result !== 'not-open') layers.exchanges.requestTooLarge(exchange, limitOf(connection, result));
    return;
  }
  if (result === 'too-large') {
    traceStreamDiscarded(layers, 'connection', connection.peer.address, limitOf(connection, result));
    const { token } = message;
    const code = Code.InternalServerError;
    sendMessage(layers, connection, { code, token, options: new OptionSet(), payload: noBytes });
  }
  // A notification: the next one may follow as soon as the transport has room.
  if (output.reply !== undefined) return;
  if (connection.isBlocked) connection.heldBack.push(exchange);
  else layers.exchanges.responseAcknowledged(exchange, now);
}

/** Step 3: one message to the connection. */
export function sendMessage(
  layers: StreamLayers,
  connection: StreamConnection,
  message: MessageContent,
): 'sent' | 'too-large' | 'token-too-long' | 'not-open' {
  const result = connection.machine?.send(message) ?? 'not-open';
  if (result === 'too-large') layers.counters.tooLarge++;
  layers.talking.add(connection);
  return result;
}

function limitOf({ machine }: StreamConnection, result: 'too-large' | 'token-too-long'): string {
  const { maxMessageSize, maxTokenLength } = machine?.peer ?? { maxMessageSize: 0, maxTokenLength: 0 };
  return result === 'too-large'
    ? `the peer takes messages of at most ${maxMessageSize} bytes`
    : `the peer takes tokens of at most ${maxTokenLength} bytes`;
}

/**
 * The road of bytes from a reliable transport to the application, from top to bottom.
 *
 *   1 bytes → messages of the connection; signaling is answered here   (RFC 8323 §3 to §5)
 *   2 response: token → Exchange; request: options checked,
 *     blocks put together                                              (RFC 7252 §5, 7641, 7959, 8323 §6 and §7)
 *   3 → output for the application
 *
 * There is no message layer: the transport repeats, orders and removes duplicates. Nothing in it throws for what a peer
 * sent.
 *
 * @module
 */

import { Code, isRequestCode, isResponseCode } from '../coap/code.ts';
import { OptionSet } from '../coap/option-set.ts';
import type { ReleaseNotice } from '../coap/signaling.ts';
import type { StreamMessage } from '../coap/stream-codec.ts';
import { Connection } from '../connection/connection.ts';
import type { ConnectionEnd, ConnectionEndCause, ConnectionOutput } from '../connection/connection-output.ts';
import { noBytes } from '../foundation/bytes.ts';
import { after, type Instant } from '../foundation/instant.ts';
import type { ExchangeId, RequestResponseOutput } from '../request-response/request-response-layer.ts';
import { asksToBackOff } from './back-off.ts';
import { incomingRequest } from './incoming-request.ts';
import { receiveProtectedRequest, receiveProtectedResponse } from './oscore-path.ts';
import type { RequestError } from './outputs.ts';
import type { StreamConnection } from './stream-connections.ts';
import {
  connectionTo,
  type StreamLayers,
  traceConnectionEnded,
  traceStreamDiscarded,
  traceStreamMessage,
} from './stream-layers.ts';
import { StreamOscore } from './stream-oscore.ts';
import type { StreamInput } from './stream-outputs.ts';
import { repeatElsewhere, sendMessage, sendWaiting } from './stream-send-path.ts';

/** Step 1: what a transport tells. */
export function receiveInput(layers: StreamLayers, input: StreamInput, now: Instant): void {
  const connection = layers.connections.get(input.connection);
  if (connection === undefined) return; // it has ended, and the transport did not know yet
  switch (input.kind) {
    case 'opened':
      begin(layers, connection, now);
      return;
    case 'received':
      connection.machine?.handle(input.bytes, now);
      layers.talking.add(connection);
      makeRoom(layers, connection);
      return;
    case 'blocked':
      connection.isBlocked = true;
      connection.machine?.transportBlocked(now);
      layers.talking.add(connection);
      return;
    case 'progress':
      if (connection.isBlocked) connection.machine?.transportBlocked(now);
      layers.talking.add(connection);
      return;
    case 'drained':
      connection.isBlocked = false;
      connection.machine?.transportDrained(now);
      layers.talking.add(connection);
      for (const exchange of connection.heldBack.splice(0))
        layers.exchanges.responseAcknowledged(exchange, now);
      return;
    case 'closed':
      endTransport(layers, connection, input.cause, input.detail, now);
      return;
  }
}

/** The transport is there: the connection begins with our CSM. */
export function begin(layers: StreamLayers, connection: StreamConnection, now: Instant): void {
  if (connection.machine !== undefined) return;
  const { framing, connection: config, trace } = layers.config;
  connection.machine = new Connection(framing, { ...config, trace }, now);
  layers.talking.add(connection);
}

/** The transport of a connection is gone. */
function endTransport(
  layers: StreamLayers,
  connection: StreamConnection,
  cause: ConnectionEndCause,
  detail: string,
  now: Instant,
): void {
  const { machine } = connection;
  if (machine === undefined) {
    endConnection(layers, connection, { cause, detail }, now);
    return;
  }
  machine.transportClosed(cause, detail);
  layers.talking.add(connection);
}

/** What is kept of unfinished messages has a bound for all connections together. */
function makeRoom(layers: StreamLayers, connection: StreamConnection): void {
  const { connections, config, talking } = layers;
  let oldest = connections.notePending(connection, config.totalPendingBytes);
  while (oldest !== undefined) {
    oldest.machine?.abort('no-room', 'too many unfinished messages');
    talking.add(oldest);
    oldest = connections.notePending(oldest, config.totalPendingBytes);
  }
}

/** Step 1, back from the machine of a connection: what it has to say. */
export function takeOutput(
  layers: StreamLayers,
  connection: StreamConnection,
  output: ConnectionOutput,
  now: Instant,
): void {
  const { peer } = connection;
  switch (output.kind) {
    case 'transmit':
      traceStreamMessage(layers, 'sent', connection, output.bytes);
      layers.outputs.push({ kind: 'transmit', connection: peer.connection, bytes: output.bytes });
      return;
    case 'signal':
      traceStreamMessage(layers, 'received', connection, output.message.bytes);
      return;
    case 'established':
      connection.isEstablished = true;
      layers.outputs.push({ kind: 'connection-established', peer, capabilities: output.peer });
      sendWaiting(layers, connection, now);
      return;
    case 'capabilities':
      return;
    case 'message':
      traceStreamMessage(layers, 'received', connection, output.message.bytes);
      receiveMessage(layers, connection, output.message, now);
      return;
    case 'custody-asked':
      askForCustody(connection, output.token);
      return;
    case 'pong': {
      const request = connection.pings.get(output.ping);
      connection.pings.delete(output.ping);
      if (request !== undefined)
        layers.outputs.push({ kind: 'pong', request, peer, custody: output.custody });
      return;
    }
    case 'release-asked':
      takeRelease(layers, connection, output.release, now);
      return;
    case 'ignored':
      traceStreamDiscarded(layers, 'connection', peer.address, output.reason);
      return;
    case 'ended':
      layers.outputs.push({ kind: 'close', connection: peer.connection });
      endConnection(layers, connection, output.end, now);
      return;
  }
}

/** Step 2: one request or response. */
function receiveMessage(
  layers: StreamLayers,
  connection: StreamConnection,
  message: StreamMessage,
  now: Instant,
): void {
  const { peer } = connection;
  if (isRequestCode(message.code)) {
    if (layers.config.role === 'client') {
      // RFC 8323 §3.3: who is no server MUST return an error, 5.01 is the simplest.
      layers.counters.notServed++;
      const { token } = message;
      const answer = { code: Code.NotImplemented, token, options: new OptionSet(), payload: noBytes };
      sendMessage(layers, connection, answer);
      return;
    }
    // What answers a request under OSCORE is found again by an object of its own.
    if (
      receiveProtectedRequest(new StreamOscore(layers), peer, message, { note: undefined }, now, connection)
    )
      return;
    layers.exchanges.receiveRequest(peer.key, message, connection, now);
    return;
  }
  noteBackOff(layers, connection, message, now);
  const fate = isResponseCode(message.code)
    ? (receiveProtectedResponse(new StreamOscore(layers), peer, message, now) ??
      layers.exchanges.receiveResponse(peer.key, message, now))
    : 'unmatched';
  if (fate === 'unmatched') {
    layers.counters.unmatchedResponses++;
    // RFC 8323 §7.2 allows an Abort here; a notification that was on its way when we deregistered is no fault.
    traceStreamDiscarded(layers, 'request-response', peer.address, 'no exchange has this token');
  }
  if (fate === 'rejected') {
    traceStreamDiscarded(layers, 'request-response', peer.address, 'a critical option is not understood');
  }
}

/** A server asks for time: noted before its response goes on, which may bring the next request at once. */
function noteBackOff(
  layers: StreamLayers,
  { peer }: StreamConnection,
  { code, token, options }: StreamMessage,
  now: Instant,
): void {
  if (!asksToBackOff(code)) return;
  const exchange = layers.exchanges.exchangeOf(peer.key, token);
  const bound = exchange === undefined ? undefined : layers.requests.get(exchange);
  if (bound !== undefined) layers.backOff.note(peer.address, bound.content, { code, options }, now);
}

/** Pings with Custody that wait at a time; more are answered when it is their turn to be read, without custody. */
const mostCustodyPings = 16;

function askForCustody(connection: StreamConnection, token: Uint8Array): void {
  const { serving, custody, machine } = connection;
  if (serving.size > 0 && custody.length < mostCustodyPings) {
    custody.push({ token, waitsFor: new Set(serving) });
  } else {
    machine?.pong(token, serving.size === 0);
  }
}

/** A request of the peer is answered, or will not be: Pings may have waited for it, or the Release. */
export function served(layers: StreamLayers, exchange: ExchangeId): void {
  const connection = layers.serving.get(exchange);
  if (connection === undefined) return;
  layers.serving.delete(exchange);
  const { custody, machine, serving } = connection;
  serving.delete(exchange);
  for (const { waitsFor } of custody) waitsFor.delete(exchange);
  while (custody[0]?.waitsFor.size === 0) {
    machine?.pong(custody[0].token, true);
    custody.shift();
  }
  if (connection.end !== undefined) return;
  layers.talking.add(connection);
  closeWhenDone(layers, connection);
}

/** RFC 8323 §5.5: what came before the Release is answered, and what we asked may still be; then we close. */
function takeRelease(
  layers: StreamLayers,
  connection: StreamConnection,
  notice: ReleaseNotice,
  now: Instant,
): void {
  connection.release = { notice, until: after(now, layers.config.connection.releaseTimeoutMs) };
  const { holdOffSeconds } = notice;
  if (connection.isInitiator && holdOffSeconds !== undefined && holdOffSeconds > 0) {
    layers.holdOffs.set(connection.peer.address.key, after(now, holdOffSeconds * 1000));
  }
  closeWhenDone(layers, connection);
}

/** Closes a connection whose peer wants it released, when nothing is under way on it. */
export function closeWhenDone(layers: StreamLayers, connection: StreamConnection): void {
  const { release, serving, machine } = connection;
  if (release === undefined || serving.size > 0 || connection.end !== undefined) return;
  for (const { connection: other, content } of layers.requests.values()) {
    // An observation has no end to wait for.
    if (other === connection && content.observe !== true) return;
  }
  machine?.close('released', release.notice.diagnostic || 'the peer released the connection');
  layers.talking.add(connection);
}

/** A connection is over, and everything with it (RFC 8323 §3.4). */
function endConnection(
  layers: StreamLayers,
  connection: StreamConnection,
  end: ConnectionEnd,
  now: Instant,
): void {
  const { peer, waiting, pings } = connection;
  count(layers, end.cause);
  traceConnectionEnded(layers, connection, end);
  connection.end = end;
  layers.connections.remove(connection);
  layers.talking.delete(connection);
  layers.outputs.push({ kind: 'connection-ended', peer, end });
  repeatElsewhere(layers, connection, now);
  layers.exchanges.peerClosed(peer.key, now);
  for (const key of layers.underOscore.forget(peer)) layers.exchanges.peerClosed(key, now);
  for (const request of [...waiting.keys(), ...pings.values()]) {
    const error = { kind: 'connection-ended', end, wasSent: false } as const;
    layers.outputs.push({ kind: 'request-failed', request, error });
  }
  waiting.clear();
  pings.clear();
}

/** Step 3: what the request/response layer has for the application. */
export function deliverFromStream(
  layers: StreamLayers,
  output: Extract<
    RequestResponseOutput,
    {
      kind:
        | 'request'
        | 'response'
        | 'request-body'
        | 'response-body'
        | 'response-body-aborted'
        | 'sent'
        | 'failed'
        | 'exchange-ended'
        | 'observation-quiet';
    }
  >,
  now: Instant,
): void {
  const { exchange } = output;
  const bound = layers.requests.get(exchange);
  switch (output.kind) {
    case 'request': {
      const connection = connectionTo(layers, output.peer);
      if (connection === undefined) return;
      const peer = layers.underOscore.withKey(output.peer) ?? connection.peer;
      if (peer.oscore !== undefined) layers.oscore.exchangeBegun(exchange, output.reply);
      if (!output.request.refresh) {
        connection.serving.add(exchange);
        layers.serving.set(exchange, connection);
      }
      // What comes over a reliable transport is as good as confirmed, and has no Message ID.
      const request = incomingRequest(output, undefined, true);
      layers.outputs.push({ kind: 'request', exchange, peer, request });
      return;
    }
    case 'response': {
      if (bound === undefined) return;
      bound.isAnswered = true;
      const { request, connection } = bound;
      const { response, final, bodyFollows } = output;
      if (final) forgetRequest(layers, exchange);
      const more = bodyFollows === true ? { bodyFollows } : {};
      layers.outputs.push({ kind: 'response', request, peer: connection.peer, response, final, ...more });
      return;
    }
    case 'request-body':
      layers.outputs.push(output);
      return;
    case 'response-body': {
      const { kind, payload, last, final } = output;
      if (final) forgetRequest(layers, exchange);
      if (bound) layers.outputs.push({ kind, request: bound.request, payload, last, final });
      return;
    }
    case 'response-body-aborted':
      if (bound) layers.outputs.push({ kind: output.kind, request: bound.request, detail: output.detail });
      return;
    case 'sent':
      forgetRequest(layers, exchange);
      if (bound) layers.outputs.push({ kind: 'sent', request: bound.request });
      return;
    case 'failed': {
      forgetRequest(layers, exchange);
      if (bound === undefined) return;
      layers.outputs.push({
        kind: 'request-failed',
        request: bound.request,
        error: requestErrorOf(output, bound.connection),
      });
      return;
    }
    case 'exchange-ended':
      served(layers, exchange);
      layers.outputs.push({ kind: 'exchange-ended', exchange });
      return;
    case 'observation-quiet': {
      // RFC 8323 §7.3: one Ping is cheaper than a new registration, and tells of all observations at once.
      const connection = connectionTo(layers, output.peer);
      connection?.machine?.checkHealth(now);
      if (connection) layers.talking.add(connection);
      return;
    }
  }
}

/** A request of ours is over. */
function forgetRequest(layers: StreamLayers, exchange: ExchangeId): void {
  const bound = layers.requests.get(exchange);
  if (bound === undefined) return;
  layers.requests.delete(exchange);
  layers.exchangeOf.delete(bound.request);
  closeWhenDone(layers, bound.connection);
}

function requestErrorOf(
  { error: failure, detail, upload }: Extract<RequestResponseOutput, { kind: 'failed' }>,
  { end }: StreamConnection,
): RequestError {
  if (failure === 'peer-closed' && end !== undefined) return { kind: 'connection-ended', end, wasSent: true };
  return {
    kind: 'exchange',
    failure,
    ...(detail === undefined ? {} : { detail }),
    ...(upload === undefined ? {} : { upload }),
  };
}

function count({ counters }: StreamLayers, cause: ConnectionEndCause): void {
  if (cause === 'format-error') counters.malformedMessages++;
  if (cause === 'missing-csm' || cause === 'bad-csm') counters.badCsm++;
  if (cause === 'message-timeout' || cause === 'stalled') counters.tooSlow++;
  if (cause === 'no-room') counters.noRoom++;
}

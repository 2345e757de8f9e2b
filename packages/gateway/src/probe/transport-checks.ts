/**
 * The transports beside the one of the URI: who answers on UDP, TCP, TLS, WebSocket; and what a connection says of blocks.
 *
 * RFC 7252 §6, RFC 8323 §3 to §5 and §8. DTLS is found by its own checks and repeated here in one line. Nothing is
 * proved to the peer: it is enough that it speaks the protocol.
 *
 * @module
 */

import {
  baseCapabilities,
  isDecodeFault,
  SignalingCode,
  SignalingOption,
  StreamDecoder,
} from 'coapsule/message';
import { dtlsOffer } from './dtls-checks.ts';
import { type Finding, found, type ProbeResult, rule, type Subject } from './finding.ts';
import { attemptHandshake, outcomeText } from './handshake-attempt.ts';
import { messageBytes, messageId, messageTypeOf, repliesTo } from './message-bytes.ts';
import type { ProbeCheck, ProbeContext, ProbeTransport } from './probe-check.ts';
import { datagramStep, type ProbeSteps, type StreamSeen, streamStep } from './probe-step.ts';

/** See the module comment. */
export const transportChecks: readonly ProbeCheck[] = [
  { group: 'transports', run: udp },
  { group: 'transports', run: dtls },
  { group: 'transports', run: (context) => stream(context, 'tcp') },
  { group: 'transports', run: (context) => stream(context, 'tls') },
  { group: 'transports', run: (context) => webSocket(context, 'ws') },
  { group: 'transports', run: (context) => webSocket(context, 'wss') },
];

const titles: Readonly<Record<ProbeTransport, string>> = {
  udp: 'CoAP over UDP (coap)',
  dtls: 'CoAP over DTLS (coaps)',
  tcp: 'CoAP over TCP (coap+tcp)',
  tls: 'CoAP over TLS (coaps+tcp)',
  ws: 'CoAP over WebSocket (coap+ws)',
  wss: 'CoAP over WebSocket and TLS (coaps+ws)',
};

function subjectOf(transport: ProbeTransport): Subject {
  const sections = { udp: '3', dtls: '9', tcp: '3', tls: '3', ws: '4', wss: '4' } as const;
  const rfc = transport === 'udp' || transport === 'dtls' ? 7252 : 8323;
  return {
    check: `transport-${transport}`,
    title: titles[transport],
    rule: rule(rfc, sections[transport], 'MAY'),
  };
}

function* udp(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  if (context.transport === 'udp') return [];
  const id = messageId(context.random(2));
  const { received, unreachable, notSent } = yield* datagramStep({
    to: 'udp',
    datagrams: [messageBytes({ type: 'CON', code: 0, messageId: id })],
    isFresh: true,
    isEnough: (replies) => repliesTo(replies, id).length > 0,
  });
  const [reply] = repliesTo(received, id);
  const subject = subjectOf('udp');
  if (reply !== undefined) return [found(subject, 'supported', `${messageTypeOf(reply)} to a ping`)];
  if (unreachable !== undefined) return [found(subject, 'absent', unreachable)];
  return [found(subject, 'unknown', notSent ?? 'no answer to a ping')];
}

function* dtls(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  if (context.transport === 'dtls') return [];
  const { outcome } = yield* attemptHandshake(context, dtlsOffer);
  const subject = subjectOf('dtls');
  const text = outcomeText(outcome);
  if (outcome.kind === 'silence') {
    context.known.hasDtls = false;
    return [found(subject, 'unknown', text)];
  }
  if (outcome.kind === 'refused') {
    context.known.hasDtls = false;
    return [found(subject, 'absent', text)];
  }
  return [found(subject, 'supported', text)];
}

/** Our Capabilities and Settings: nothing in it, which says the base values (RFC 8323 §5.3). */
const emptyCsm = Uint8Array.of(0x00, SignalingCode.Csm);

/** The first message of a peer. */
function firstMessage(received: Uint8Array): ReturnType<StreamDecoder['next']> {
  const decoder = new StreamDecoder({ maxMessageSize: 65_536, maxTokenLength: 8 });
  decoder.push(received);
  return decoder.next();
}

function* stream(context: ProbeContext, to: 'tcp' | 'tls'): ProbeSteps<readonly Finding[]> {
  const seen = yield* streamStep({
    to,
    protocols: ['coap'],
    bytes: emptyCsm,
    isEnough: (received) => firstMessage(received) !== undefined,
  });
  const subject = subjectOf(to);
  const isOwn = context.transport === to;
  if (seen.state !== 'open') return isOwn ? [] : [found(subject, ...closedResult(seen))];
  const message = firstMessage(seen.received);
  const over = securityText(seen);
  if (message === undefined || isDecodeFault(message)) {
    const what = message === undefined ? 'no message came' : `what came is not CoAP: ${message.reason}`;
    const first = seen.received.length === 0 ? 'unknown' : 'absent';
    return isOwn ? [] : [found(subject, first, `the port is open${over}; ${what}`)];
  }
  const csm = {
    check: `csm-${to}`,
    title: `begins a connection over ${to.toUpperCase()} with its capabilities`,
    rule: rule(8323, '5.3'),
  };
  const own = isOwn ? [] : [found(subject, 'supported', `the port is open${over}`)];
  if (message.code !== SignalingCode.Csm)
    return [...own, found(csm, 'violates', 'the first message is no CSM')];
  const maxMessageSize =
    message.options.uint(SignalingOption.MaxMessageSize) ?? baseCapabilities.maxMessageSize;
  const blockwise = message.options.has(SignalingOption.BlockWiseTransfer);
  return [
    ...own,
    found(csm, 'supported', `CSM: messages of up to ${maxMessageSize} bytes`),
    found(
      {
        check: `bert-${to}`,
        title: `large blocks (BERT) over ${to.toUpperCase()}`,
        rule: rule(8323, '6', 'MAY'),
      },
      blockwise && maxMessageSize > 1152 ? 'supported' : 'absent',
      `CSM: Block-Wise-Transfer ${blockwise ? 'there' : 'missing'}, Max-Message-Size ${maxMessageSize}`,
    ),
  ];
}

function closedResult(seen: Exclude<StreamSeen, { readonly state: 'open' }>): readonly [ProbeResult, string] {
  switch (seen.state) {
    case 'refused':
      return ['absent', seen.reason];
    case 'alert':
      return ['supported', `TLS answers, and wants credentials: ${seen.reason}`];
    case 'silence':
    case 'not-sent':
      return ['unknown', seen.reason];
  }
}

function securityText(seen: Extract<StreamSeen, { readonly state: 'open' }>): string {
  if (seen.security === undefined) return '';
  const { version, protocol } = seen.security;
  return ` with ${version}, ALPN ${protocol ?? 'not agreed on'}`;
}

function* webSocket(context: ProbeContext, to: 'ws' | 'wss'): ProbeSteps<readonly Finding[]> {
  if (context.transport === to) return [];
  const key = Buffer.from(context.random(16)).toString('base64');
  const host = context.serverName ?? 'localhost';
  // RFC 8323 §4.1: the path and the subprotocol are fixed.
  const upgrade = [
    'GET /.well-known/coap HTTP/1.1',
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Protocol: coap',
    '',
    '',
  ].join('\r\n');
  const seen = yield* streamStep({
    to,
    protocols: ['http/1.1'],
    bytes: new TextEncoder().encode(upgrade),
    isEnough: (received) => headOf(received).includes('\r\n\r\n'),
  });
  const subject = subjectOf(to);
  if (seen.state !== 'open') return [found(subject, ...closedResult(seen))];
  const head = headOf(seen.received);
  const [statusLine = ''] = head.split('\r\n');
  if (!/^HTTP\/1\.1 101/.test(statusLine)) {
    return [
      found(subject, 'absent', statusLine === '' ? 'the port is open, and does not answer' : statusLine),
    ];
  }
  return /\r\nsec-websocket-protocol: *coap\r\n/i.test(head)
    ? [found(subject, 'supported', `${statusLine}, subprotocol coap`)]
    : [
        found(
          { ...subject, rule: rule(8323, '4.1') },
          'violates',
          `${statusLine}, without the subprotocol coap`,
        ),
      ];
}

/** Latin-1, as far as a head may go. */
function headOf(received: Uint8Array): string {
  return Buffer.from(received.subarray(0, 8192)).toString('latin1');
}

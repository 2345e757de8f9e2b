/**
 * How many bytes go back to an address that proved nothing, for each byte that came from there.
 *
 * RFC 7252 §11.3, RFC 9175 §2.4 (item 3) and §2.6, RFC 6347 §4.2.1. Bytes of UDP payload are counted: all datagrams that come
 * while the first repetition of a handshake or a message would.
 *
 * @module
 */

import { encodeHello } from './client-hello.ts';
import { dtlsOffer } from './dtls-checks.ts';
import { type Finding, found, rule, type Subject } from './finding.ts';
import { linkListRequest, type ProbeCheck, type ProbeContext } from './probe-check.ts';
import { type DatagramsSeen, datagramStep, type ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const amplificationChecks: readonly ProbeCheck[] = [
  { group: 'amplification', run: plain },
  { group: 'amplification', run: handshake },
];

/** RFC 9175 §2.4: what is acceptable for those who are not constrained. */
const acceptableFactor = 3;
/** The same: with the headers below CoAP, no response of this many bytes is more than three times its request. */
const safeResponse = 136;

function* plain(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'amplification-coap',
    title: 'GET /.well-known/core without proof of the address',
    rule: rule(9175, '2.4', 'SHOULD'),
  };
  const request = linkListRequest(context);
  const seen = yield* datagramStep({ to: 'udp', datagrams: [request], isFresh: true, listensLong: true });
  return [judgeAmplification(subject, request.length, seen)];
}

function* handshake(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const subject = {
    check: 'amplification-dtls',
    title: 'ClientHello without a cookie',
    rule: rule(6347, '4.2.1', 'SHOULD'),
  };
  if (context.known.hasDtls === false)
    return [found(subject, 'unknown', 'not tried: nobody speaks DTLS there')];
  const hello = encodeHello({
    offer: { ...dtlsOffer, serverName: context.serverName },
    random: context.random(32),
    keyShare: context.random(32),
    sequence: 0,
  });
  const seen = yield* datagramStep({ to: 'dtls', datagrams: [hello], isFresh: true, listensLong: true });
  return [judgeAmplification(subject, hello.length, seen)];
}

/** From what was sent and what came. */
function judgeAmplification(
  subject: Subject,
  sentBytes: number,
  { received, unreachable, notSent }: DatagramsSeen,
): Finding {
  const receivedBytes = received.reduce((sum, { length }) => sum + length, 0);
  if (receivedBytes === 0) return found(subject, 'unknown', unreachable ?? notSent ?? 'no answer');
  const factor = (receivedBytes / sentBytes).toFixed(1);
  const datagrams = received.length === 1 ? '1 datagram' : `${received.length} datagrams`;
  const text = `${receivedBytes} bytes in ${datagrams} for ${sentBytes}: a factor of ${factor}`;
  const isBounded = receivedBytes <= acceptableFactor * sentBytes || receivedBytes <= safeResponse;
  return found(subject, isBounded ? 'supported' : 'violates', text);
}

/**
 * What a diagnosis says: what is wrong, where it is seen, why, what follows, and what to do.
 *
 * @module
 */

/** Everything that is looked for. */
export type FindingKind =
  | 'token-unknown'
  | 'token-reused'
  | 'token-shared-by-observations'
  | 'message-id-reused'
  | 'retransmission-fixed-interval'
  | 'retransmission-too-fast'
  | 'retransmission-without-jitter'
  | 'retransmission-after-acknowledgement'
  | 'datagram-over-mtu'
  | 'ip-fragments'
  | 'block-transfer-incomplete'
  | 'block-size-reserved'
  | 'block-missing-under-dtls'
  | 'method-answered-not-implemented'
  | 'unauthorized-without-security'
  | 'valid-without-etag'
  | 'max-age-ignored'
  | 'confirmable-telemetry'
  | 'non-confirmable-command'
  | 'association-forgotten'
  | 'pre-shared-key-wrong'
  | 'identity-unknown'
  | 'no-common-suite'
  | 'connection-id-lost'
  | 'cookie-loop'
  | 'oscore-replay'
  | 'oscore-context-unknown'
  | 'oscore-decryption-failed'
  | 'oscore-context-mismatch'
  | 'observer-gone'
  | 'amplification';

/** How bad it is: `error` breaks something, `warning` will, `advice` costs something. */
export type Severity = 'error' | 'warning' | 'advice';

/** One fault, with all that was seen of it. */
export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** Between whom, or whose; `host:port`. */
  readonly where: string;
  /** Frames that show it, the first ones; see `count`. */
  readonly frames: readonly number[];
  /** How often it was seen. */
  readonly count: number;
  /** What was seen, with its figures. One sentence. */
  readonly evidence: string;
  readonly cause: string;
  readonly consequence: string;
  readonly fix: string;
  /** The section that says so. */
  readonly reference: string;
}

/** What is the same for all findings of a kind. */
type Explanation = Pick<Finding, 'severity' | 'cause' | 'consequence' | 'fix' | 'reference'>;

/** By kind. */
export const findingExplanations: Readonly<Record<FindingKind, Explanation>> = {
  'token-unknown': {
    severity: 'error',
    cause:
      'a response has a token for which there is no request: it comes from an observation or a process of before',
    consequence: 'whoever takes it for the answer to something else shows a wrong value',
    fix: 'match by endpoint and token, and answer a Confirmable message that nobody waits for with a Reset',
    reference: 'RFC 7252 §5.3.2, RFC 7641 §3.6',
  },
  'token-reused': {
    severity: 'error',
    cause: 'a client uses a token again while another request with it is not answered',
    consequence: 'the first answer is taken for both',
    fix: 'a random token of four bytes for each request, unique among those that are open',
    reference: 'RFC 7252 §5.3.1',
  },
  'token-shared-by-observations': {
    severity: 'error',
    cause: 'a client observes two resources of one server under one token',
    consequence: 'nobody can tell whose notification is whose: values are shown under the wrong name',
    fix: 'a token of its own for each observation, freed when it ends',
    reference: 'RFC 7641 §3.1',
  },
  'message-id-reused': {
    severity: 'error',
    cause: 'a Message ID comes again within the lifetime of its exchange, with another message',
    consequence: 'the receiver takes it for a copy and does not carry it out',
    fix: 'count Message IDs for each endpoint, begin at a random one, and keep below 65,536 messages in 247 s',
    reference: 'RFC 7252 §4.4, §4.8.2',
  },
  'retransmission-fixed-interval': {
    severity: 'error',
    cause: 'retransmissions come at the same interval each time',
    consequence: 'where the network is congested, all devices keep it so',
    fix: 'double the timeout each time: 2–3, 4–6, 8–12, 16–24 s',
    reference: 'RFC 7252 §4.2',
  },
  'retransmission-too-fast': {
    severity: 'warning',
    cause: 'the first retransmission comes before ACK_TIMEOUT is over',
    consequence: 'answers that are only slow are asked for again, which makes them slower',
    fix: 'an ACK_TIMEOUT of 2 s or more, or one that follows the measured round trips',
    reference: 'RFC 7252 §4.8, RFC 8961',
  },
  'retransmission-without-jitter': {
    severity: 'warning',
    cause: 'the first timeout is the same for every message',
    consequence: 'devices that lost something together send it again together',
    fix: 'draw the first timeout between ACK_TIMEOUT and ACK_TIMEOUT × ACK_RANDOM_FACTOR, 2 to 3 s',
    reference: 'RFC 7252 §4.2',
  },
  'retransmission-after-acknowledgement': {
    severity: 'warning',
    cause: 'a message goes on being sent after its acknowledgement passed here',
    consequence: 'traffic for nothing; if acknowledgements do not arrive, messages fail that did',
    fix: 'match acknowledgements by Message ID and the endpoint they were sent to; look for what drops them behind this point',
    reference: 'RFC 7252 §4.2',
  },
  'datagram-over-mtu': {
    severity: 'warning',
    cause: 'a datagram is larger than the link carries in one piece',
    consequence: 'it is cut into fragments, or vanishes without a word; small ones go on arriving',
    fix: 'a block size that fits (-b, "coapsule recommend block-size")',
    reference: 'RFC 7252 §4.6',
  },
  'ip-fragments': {
    severity: 'warning',
    cause: 'IP had to cut datagrams',
    consequence: 'one fragment that is lost loses the whole; many firewalls drop them all',
    fix: 'block-wise transfers with blocks that fit the path (-b)',
    reference: 'RFC 7252 §4.6, RFC 8900',
  },
  'block-transfer-incomplete': {
    severity: 'error',
    cause: 'a body in blocks ends before its last block',
    consequence: 'it never arrives; the receiver answers 4.08, or keeps the part until it forgets it',
    fix: 'send each block until it is acknowledged, and begin anew after 4.08',
    reference: 'RFC 7959 §2.3, §2.9.2',
  },
  'block-size-reserved': {
    severity: 'error',
    cause: 'a Block option has the size exponent 7',
    consequence: 'it is answered 4.00: over UDP 7 is reserved, over TCP it means several blocks at once',
    fix: 'sizes of 16 to 1024 bytes, exponents 0 to 6',
    reference: 'RFC 7959 §2.2, RFC 8323 §6',
  },
  'block-missing-under-dtls': {
    severity: 'warning',
    cause: 'a message fits the link, but not with the 29 bytes and more that DTLS adds',
    consequence: 'it arrives in the laboratory and vanishes where it is protected',
    fix: 'one block size smaller, or a smaller payload',
    reference: 'RFC 7252 §4.6, RFC 6347 §4.1.1.1',
  },
  'method-answered-not-implemented': {
    severity: 'advice',
    cause: 'a server answers a method with 5.01',
    consequence: 'clients take it for a fault of the server, and may come again',
    fix: '4.05: CoAP says so for a method that is not known or not allowed',
    reference: 'RFC 7252 §5.8',
  },
  'unauthorized-without-security': {
    severity: 'error',
    cause:
      'a request over plain CoAP is answered 4.01: the resource is for those who have proved who they are',
    consequence: 'it will never be answered otherwise',
    fix: 'coaps:// with a key or certificate, or OSCORE',
    reference: 'RFC 7252 §5.9.2.2',
  },
  'valid-without-etag': {
    severity: 'error',
    cause: 'a server answers 2.03 to a request without ETag',
    consequence: 'the client has nothing that could be valid, and shows nothing or something old',
    fix: 'the request has to carry the ETag option (not If-Match); without it the server must answer 2.05',
    reference: 'RFC 7252 §5.9.1.3, §5.10.6',
  },
  'max-age-ignored': {
    severity: 'warning',
    cause: 'a client asks again before the Max-Age of a 5.03 or 4.29 is over',
    consequence: 'a server that is overloaded stays so',
    fix: 'wait as long as Max-Age says; 60 s without it',
    reference: 'RFC 7252 §5.9.3.4, RFC 8516',
  },
  'confirmable-telemetry': {
    severity: 'advice',
    cause: 'readings that come again and again are Confirmable',
    consequence:
      'each keeps the radio on for its acknowledgement, and is sent again where it is lost: weeks of battery instead of years',
    fix: 'Non-confirmable readings, every few of them Confirmable ("coapsule recommend message-type")',
    reference: 'RFC 7252 §4.3',
  },
  'non-confirmable-command': {
    severity: 'warning',
    cause: 'an order to an actuator is Non-confirmable',
    consequence: 'if it is lost, nobody knows',
    fix: 'Confirmable commands, alarms and settings',
    reference: 'RFC 7252 §4.2',
  },
  'association-forgotten': {
    severity: 'error',
    cause:
      'a device sends records that its peer has seen, or begins its numbers anew, after a silence: it slept and lost how far it was',
    consequence:
      'each of its messages is discarded (bad MAC, sequence number mismatch) until it shakes hands again',
    fix: 'keep the association over sleep ("--session FILE"), use OSCORE, or shake hands at each wake',
    reference: 'RFC 6347 §4.1.2.6, RFC 9146',
  },
  'pre-shared-key-wrong': {
    severity: 'error',
    cause: 'a handshake ends where the keys are first used: both have another key for this identity',
    consequence: 'no data is exchanged; the device tries again and again',
    fix: 'compare the keys byte by byte: text or hexadecimal, a line feed at the end, a terminating zero',
    reference: 'RFC 4279 §2, RFC 5246 §7.4.9',
  },
  'identity-unknown': {
    severity: 'error',
    cause: 'the server does not know the identity',
    consequence: 'no data is exchanged',
    fix: 'add the device ("coapsule device add ID"), or correct its identity: case and spaces count',
    reference: 'RFC 4279 §2',
  },
  'no-common-suite': {
    severity: 'error',
    cause:
      'the server answers the first offer with handshake_failure: there is no cipher suite that both have and have credentials for',
    consequence: 'no data is exchanged',
    fix: 'compare the suites; a server with pre-shared keys alone cannot use a suite with certificates, and the other way round',
    reference: 'RFC 5246 §7.2.2, §7.4.1.3',
  },
  'connection-id-lost': {
    severity: 'error',
    cause: 'an association with a connection id goes on from another address without it',
    consequence: 'the peer cannot find the association: nothing is answered',
    fix: 'put the connection id that the peer asked for into each record (content type 25)',
    reference: 'RFC 9146 §4',
  },
  'cookie-loop': {
    severity: 'error',
    cause:
      'a server asks for a cookie again and again: the client does not bring it back, or comes from another address each time',
    consequence: 'no handshake comes to its end',
    fix: 'repeat the ClientHello with the same random and the cookie, from the same port; look for a NAT or load balancer that changes it',
    reference: 'RFC 6347 §4.2.1',
  },
  'oscore-replay': {
    severity: 'error',
    cause:
      'a request under OSCORE has a sequence number that was used before: the device restored an old one',
    consequence: 'it is answered 4.01, and what it sent under this number before is not secret any more',
    fix: 'keep the sequence number over restarts, or make a new context (Appendix B.2)',
    reference: 'RFC 8613 §7.4, §7.5',
  },
  'oscore-context-unknown': {
    severity: 'error',
    cause: 'the server has no Security Context for this kid and ID Context',
    consequence: 'each request is answered 4.01',
    fix: 'compare Sender ID of one side with Recipient ID of the other, and the ID Context',
    reference: 'RFC 8613 §8.2',
  },
  'oscore-context-mismatch': {
    severity: 'error',
    cause:
      'the context that was given is not the one that the two ends use: kid, Master Secret, Salt, ID Context or algorithm differ',
    consequence: 'what is inside stays closed here; where an end has the wrong one, it answers 4.01 or 4.00',
    fix: 'compare both ends’ files: the Sender ID of one is the Recipient ID of the other, everything else is the same',
    reference: 'RFC 8613 §3.2, §8.2',
  },
  'oscore-decryption-failed': {
    severity: 'error',
    cause: 'both have a context of that name, with another secret, salt or algorithm',
    consequence: 'each request is answered 4.00',
    fix: 'compare master secret, master salt, AEAD and HKDF of both sides',
    reference: 'RFC 8613 §8.2',
  },
  'observer-gone': {
    severity: 'warning',
    cause: 'an observer answers notifications with a Reset, or not at all',
    consequence: 'the server goes on sending until it gives up, and the values reach nobody',
    fix: 'the server must end the observation; the client has to register anew after a restart',
    reference: 'RFC 7641 §3.6, §4.5',
  },
  amplification: {
    severity: 'warning',
    cause: 'a server sends much more than it was asked with, to an address that has proved nothing',
    consequence: 'whoever forges addresses can flood others with it',
    fix: 'limit answers to three times the request until an Echo or a cookie has come back, and the size of /.well-known/core',
    reference: 'RFC 7252 §11.3, RFC 9175 §2.6',
  },
};

/** Most frames that a finding names. */
const mostFrames = 10;

/** A finding of a kind, from what was seen. */
export function findingOf(
  kind: FindingKind,
  {
    where,
    frames,
    evidence,
    count = frames.length,
  }: Pick<Finding, 'where' | 'frames' | 'evidence'> & {
    readonly count?: number;
  },
): Finding {
  return { kind, where, evidence, count, frames: frames.slice(0, mostFrames), ...findingExplanations[kind] };
}

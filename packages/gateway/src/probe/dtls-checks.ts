/**
 * DTLS as the peer speaks it: versions, cookie, extensions of its ServerHello.
 *
 * RFC 6347, RFC 9147, RFC 9325 §3.1, RFC 7627, RFC 9146, RFC 7250, RFC 5746. What is asked is in `client-hello.ts`.
 *
 * @module
 */

import { cipherSuites } from 'coapsule/dtls';
import { dtlsVersions, type Extension, ExtensionType, type Offer, suites13 } from './client-hello.ts';
import { type Finding, found, type ProbeResult, rule, type Subject } from './finding.ts';
import { type Attempt, attemptHandshake, outcomeText } from './handshake-attempt.ts';
import type { ProbeCheck, ProbeContext } from './probe-check.ts';
import type { ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const dtlsChecks: readonly ProbeCheck[] = [{ group: 'dtls', run: dtls }];

/** All that this product speaks. */
const ownSuites: readonly number[] = cipherSuites.map(({ id }) => id);
/** With CBC and SHA-1, as they were before AEAD: DTLS 1.0 has no others. */
const oldSuites: readonly number[] = [
  0xc009, 0xc013, 0xc00a, 0xc014, 0x002f, 0x0035, 0x008c, 0x008d, 0xc035, 0xc036,
];
const signingSuites: readonly number[] = cipherSuites
  .filter(({ keyExchange }) => keyExchange === 'ECDHE_ECDSA')
  .map(({ id }) => id);

const extendedMasterSecret: Extension = { type: ExtensionType.ExtendedMasterSecret, data: new Uint8Array(0) };
const renegotiationInfo: Extension = { type: ExtensionType.RenegotiationInfo, data: Uint8Array.of(0) };
/** We take records without one ourselves (RFC 9146 §3). */
const connectionId: Extension = { type: ExtensionType.ConnectionId, data: Uint8Array.of(0) };
/** RFC 7250 §3: X.509 is 0, a raw public key 2. We could show either, and never come to it. */
const clientKeys: Extension = { type: ExtensionType.ClientCertificateType, data: Uint8Array.of(2, 0, 2) };
const serverKeys: Extension = { type: ExtensionType.ServerCertificateType, data: Uint8Array.of(2, 0, 2) };
const rawPublicKey: Extension = { type: ExtensionType.ServerCertificateType, data: Uint8Array.of(1, 2) };

/** The usual offer: what a hello needs that is to be taken. */
export const usualExtensions: readonly Extension[] = [
  extendedMasterSecret,
  renegotiationInfo,
  clientKeys,
  serverKeys,
];

/** The offer of a client of today, for who wants to know whether there is a server. */
export const dtlsOffer: Offer = {
  version: '1.2',
  suites: ownSuites,
  extensions: [...usualExtensions, connectionId],
};

const subjects = {
  version10: {
    check: 'dtls-1.0',
    title: 'DTLS 1.0, which nobody may speak any more',
    rule: rule(9325, '3.1.2'),
  },
  version12: { check: 'dtls-1.2', title: 'DTLS 1.2', rule: rule(9325, '3.1.2') },
  version13: { check: 'dtls-1.3', title: 'DTLS 1.3', rule: rule(9147, '5.3', 'MAY') },
  cookie: {
    check: 'cookie',
    title: 'asks for a cookie before it works',
    rule: rule(6347, '4.2.1', 'SHOULD'),
  },
  ems: { check: 'extended-master-secret', title: 'extended master secret', rule: rule(9325, '3.5') },
  cid: { check: 'connection-id', title: 'Connection ID', rule: rule(9146, '3', 'MAY') },
  renegotiation: {
    check: 'renegotiation-info',
    title: 'says that it renegotiates securely',
    rule: rule(5746, '3.6'),
  },
  rpk: { check: 'raw-public-key', title: 'raw public key of the server', rule: rule(7250, '3', 'MAY') },
} as const satisfies Record<string, Subject>;

function* dtls(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const current = yield* attemptHandshake(context, dtlsOffer);
  const text = outcomeText(current.outcome);
  if (current.outcome.kind === 'refused' || current.outcome.kind === 'silence') {
    context.known.hasDtls = false;
    return [found(subjects.version12, 'unknown', `${text} on the port of DTLS`)];
  }
  context.known.hasDtls = true;
  const old = yield* attemptHandshake(context, {
    version: '1.0',
    suites: oldSuites,
    extensions: usualExtensions,
  });
  const next = yield* attemptHandshake(context, {
    version: '1.3',
    suites: suites13,
    extensions: usualExtensions,
  });
  const raw = yield* attemptHandshake(context, {
    version: '1.2',
    suites: signingSuites,
    extensions: [extendedMasterSecret, renegotiationInfo, clientKeys, rawPublicKey],
  });
  return [
    found(subjects.version10, ...judgeOld(old)),
    found(subjects.version12, versionResult(current, dtlsVersions['1.2']), text),
    found(subjects.version13, versionResult(next, dtlsVersions['1.3']), outcomeText(next.outcome)),
    // A server of 1.3 alone asks in its own way.
    judgeCookie(current.outcome.kind === 'chosen' || next.first.hello === undefined ? current : next),
    ...judgeExtensions(current),
    found(subjects.rpk, ...judgeRawKey(raw)),
  ];
}

function judgeOld({ outcome }: Attempt): readonly [ProbeResult, string] {
  const text = outcomeText(outcome);
  if (outcome.kind === 'chosen' && outcome.hello.version === dtlsVersions['1.0']) return ['violates', text];
  return ['absent', `refused: ${text}`];
}

function versionResult({ outcome }: Attempt, version: number): ProbeResult {
  if (outcome.kind === 'chosen') return outcome.hello.version === version ? 'supported' : 'absent';
  // A server of the version that has no suite for us says so; others do not know what they were asked.
  const noSuite = 40;
  const insufficient = 71;
  if (outcome.kind !== 'alert') return version === dtlsVersions['1.3'] ? 'absent' : 'unknown';
  const isAboutSuites = outcome.description === noSuite || outcome.description === insufficient;
  return isAboutSuites && version === dtlsVersions['1.2'] ? 'unknown' : 'absent';
}

/** Whether the first answer was a cookie: HelloVerifyRequest, or with 1.3 HelloRetryRequest. */
export function judgeCookie({ first, outcome }: Attempt): Finding {
  if (first.cookie !== undefined) {
    return found(
      subjects.cookie,
      'supported',
      `HelloVerifyRequest with a cookie of ${first.cookie.length} bytes`,
    );
  }
  if (first.hello?.isRetryRequest === true) return found(subjects.cookie, 'supported', 'HelloRetryRequest');
  return first.hello === undefined
    ? found(subjects.cookie, 'unknown', outcomeText(outcome))
    : found(
        subjects.cookie,
        'violates',
        `${first.bytes} bytes with a ServerHello to an address that proved nothing`,
      );
}

function judgeExtensions({ outcome }: Attempt): readonly Finding[] {
  if (outcome.kind !== 'chosen') {
    const text = outcomeText(outcome);
    return [subjects.ems, subjects.cid, subjects.renegotiation].map((subject) =>
      found(subject, 'unknown', text),
    );
  }
  const { extensions } = outcome.hello;
  const id = extensions.get(ExtensionType.ConnectionId);
  const has = (type: number): boolean => extensions.has(type);
  return [
    has(ExtensionType.ExtendedMasterSecret)
      ? found(subjects.ems, 'supported', 'in the ServerHello')
      : found(subjects.ems, 'violates', 'not in the ServerHello: RFC 7627 is missing'),
    id === undefined
      ? found(subjects.cid, 'absent', 'not in the ServerHello')
      : found(subjects.cid, 'supported', `of ${id[0] ?? 0} bytes in records to the server`),
    has(ExtensionType.RenegotiationInfo)
      ? found(subjects.renegotiation, 'supported', 'in the ServerHello')
      : found(subjects.renegotiation, 'violates', 'renegotiation_info was offered, and not answered'),
  ];
}

function judgeRawKey({ outcome }: Attempt): readonly [ProbeResult, string] {
  const text = outcomeText(outcome);
  if (outcome.kind === 'silence-after-cookie' || outcome.kind === 'silence' || outcome.kind === 'refused')
    return ['unknown', text];
  if (outcome.kind === 'alert') return ['absent', text];
  const type = outcome.hello.extensions.get(ExtensionType.ServerCertificateType);
  return type?.[0] === 2
    ? ['supported', 'server_certificate_type RawPublicKey in the ServerHello']
    : ['absent', 'it offers a certificate instead'];
}

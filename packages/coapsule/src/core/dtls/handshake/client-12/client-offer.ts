/**
 * What a client offers in its ClientHello.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { randomBytes } from '../../../foundation/random-source.ts';
import { type CipherSuite, signsKeyExchange } from '../../cipher-suites.ts';
import { ownConnectionIdLength } from '../../own-connection-ids.ts';
import { ProtocolVersion, recordHeaderLength } from '../../record/record-header.ts';
import type { ClientSession } from '../../session/client-sessions.ts';
import type { SessionState } from '../../session/session-state.ts';
import { maxCookieLength } from '../cookie.ts';
import { applicationProtocolsExtension } from '../extensions/application-protocols.ts';
import { certificateTypesExtension } from '../extensions/certificate-types.ts';
import { connectionIdExtension } from '../extensions/connection-id.ts';
import { ecPointFormatsExtension } from '../extensions/ec-point-formats.ts';
import { extendedMasterSecretExtension } from '../extensions/extended-master-secret.ts';
import { type Extension, ExtensionType } from '../extensions/extension-list.ts';
import {
  fragmentLengthWithin,
  maxFragmentLengthExtension,
  recordSizeLimitExtension,
} from '../extensions/record-size-limit.ts';
import { emptyRenegotiationInfoScsv } from '../extensions/renegotiation-info.ts';
import { returnRoutabilityCheckExtension } from '../extensions/return-routability-check.ts';
import { serverNameExtension } from '../extensions/server-name.ts';
import { sessionTicketExtension } from '../extensions/session-ticket.ts';
import { signatureAlgorithmsExtension } from '../extensions/signature-algorithms.ts';
import { supportedGroupsExtension } from '../extensions/supported-groups.ts';
import type { HandshakeContext } from '../handshake-context.ts';
import { messageHeaderLength } from '../message-header.ts';
import { type ClientHello, encodeClientHello } from '../messages/client-hello.ts';
import { ownCertificateTypes } from '../own-proof.ts';

/** What is offered, and what has to be remembered of it. */
export interface ClientOffer {
  readonly suites: readonly CipherSuite[];
  readonly hello: ClientHello;
  /** The connection id for records to us; `undefined` when the extension is not sent. */
  readonly connectionId: Uint8Array | undefined;
  /** The name in server_name, when it is sent. */
  readonly serverName: string | undefined;
  /** The session whose id or ticket is in the hello. */
  readonly session: SessionState | undefined;
  /** The length in max_fragment_length, when it is sent. */
  readonly fragmentLength: number | undefined;
}

/**
 * The ClientHello without a cookie; `undefined` when no suite goes with the credentials.
 *
 * Both ClientHellos must say the same (RFC 6347 §4.2.1), so room for a cookie of 32 bytes is reckoned with from
 * the start. What can be left out goes, in this order, until it fits one datagram: session_ticket, ec_point_formats
 * (RFC 8422 §5.1.2: its absence says the same), server_name, and with pre-shared keys alone supported_groups (RFC 8422
 * §4: then the server may choose, and all our groups are common ones); then the suites preferred least, if that helps.
 * What is still too large goes in fragments, which some servers do not put together before they have seen a cookie.
 */
export function composeOffer(
  context: HandshakeContext,
  serverName: string | undefined,
): ClientOffer | undefined {
  const { config } = context;
  const { credentials } = config;
  const usesSignatures = credentials.peerTypes.length > 0;
  let suites = config.suites.filter((suite) => (signsKeyExchange(suite) ? usesSignatures : credentials.psk));
  if (suites.length === 0) return undefined;
  const idLength = ownConnectionIdLength(config, 'client');
  const connectionId = idLength === 'off' ? undefined : context.newConnectionId(idLength);
  const fragmentLength =
    config.maxRecordSize < 16_384 ? fragmentLengthWithin(config.maxRecordSize) : undefined;
  const fixed: Extension[] = [extendedMasterSecretExtension];
  if (suites.some(signsKeyExchange)) {
    fixed.push(signatureAlgorithmsExtension());
    const types = [
      certificateTypesExtension('client', ownCertificateTypes(credentials)),
      certificateTypesExtension('server', credentials.peerTypes),
    ];
    fixed.push(...types.filter((extension) => extension !== undefined));
  }
  if (connectionId !== undefined) {
    fixed.push(connectionIdExtension(connectionId));
    if (config.returnRoutabilityCheck) fixed.push(returnRoutabilityCheckExtension);
  }
  if (config.maxRecordSize < 16_384) {
    fixed.push(recordSizeLimitExtension(config.maxRecordSize));
    // For servers that know only the older one (RFC 8449 §5: the others ignore it).
    if (fragmentLength !== undefined) fixed.push(maxFragmentLengthExtension(fragmentLength));
  }
  if (config.protocols.length > 0) fixed.push(applicationProtocolsExtension(config.protocols));
  const name = serverName === undefined ? undefined : serverNameExtension(serverName);
  const optional: Extension[] = [];
  if (suites.some(({ keyExchange }) => keyExchange !== 'PSK')) {
    (usesSignatures ? fixed : optional).push(supportedGroupsExtension());
  }
  if (name !== undefined) optional.push(name);
  if (suites.some(({ keyExchange }) => keyExchange !== 'PSK')) optional.push(ecPointFormatsExtension);
  if (config.resumption === 'ticket' || config.resumption === 'both') optional.push(sessionTicketExtension());
  const random = randomBytes(context.random, 32);
  const compose = (): ClientHello => ({
    version: ProtocolVersion.Dtls12,
    random,
    sessionId: noBytes,
    cookie: noBytes,
    // RFC 5746 §3.3: the signalling value says the same as an empty renegotiation_info, in fewer bytes.
    cipherSuites: [...suites.map((suite) => suite.id), emptyRenegotiationInfoScsv],
    compressionMethods: Uint8Array.of(0),
    extensions: [...fixed, ...optional],
  });
  const excess = (): number => encodeClientHello(compose()).length - roomFor(context);
  while (optional.length > 0 && excess() > 0) optional.pop();
  const suitesKept = suites.length - Math.ceil(excess() / 2);
  if (suitesKept > 0 && excess() > 0) suites = suites.slice(0, suitesKept);
  return {
    suites,
    hello: compose(),
    connectionId,
    serverName: name !== undefined && optional.includes(name) ? serverName : undefined,
    fragmentLength,
    session: undefined,
  };
}

/**
 * The offer with a session that is to go on; without it when it would not fit the first datagram.
 *
 * RFC 5077 §3.4: beside a ticket there is a session id of our own, which comes back when the ticket is taken.
 */
export function withSession(
  context: HandshakeContext,
  offer: ClientOffer,
  { by, session }: ClientSession,
): ClientOffer {
  const hello: ClientHello =
    by.kind === 'session-id'
      ? { ...offer.hello, sessionId: by.sessionId }
      : {
          ...offer.hello,
          sessionId: randomBytes(context.random, 32),
          extensions: [
            ...offer.hello.extensions.filter(({ type }) => type !== ExtensionType.SessionTicket),
            sessionTicketExtension(by.ticket),
          ],
        };
  return encodeClientHello(hello).length > roomFor(context) ? offer : { ...offer, hello, session };
}

/** Bytes of a ClientHello without a cookie that fit one datagram together with one of 32 bytes. */
function roomFor({ config }: HandshakeContext): number {
  return config.mtu - recordHeaderLength - messageHeaderLength - maxCookieLength;
}

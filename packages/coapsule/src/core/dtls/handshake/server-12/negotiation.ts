/**
 * Server: what is chosen out of a ClientHello, and what the ServerHello says about it.
 *
 * Changes nothing and sends nothing; flight 4 is in `send-server-flight.ts`.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import type { NamedGroup } from '../../../foundation/crypto-provider.ts';
import { peerText } from '../../../foundation/peer-text.ts';
import { randomBytes } from '../../../foundation/random-source.ts';
import { AlertDescription } from '../../alert.ts';
import { signsKeyExchange } from '../../cipher-suites.ts';
import type { CertificateType, EndpointCredentials } from '../../credentials.ts';
import { ownConnectionIdLength } from '../../own-connection-ids.ts';
import type { RecalledSession } from '../../session/server-sessions.ts';
import type { SessionState } from '../../session/session-state.ts';
import {
  applicationProtocolsExtension,
  readApplicationProtocols,
} from '../extensions/application-protocols.ts';
import { certificateTypeExtension } from '../extensions/certificate-types.ts';
import { connectionIdExtension, readConnectionId } from '../extensions/connection-id.ts';
import { ecPointFormatsExtension, readEcPointFormats } from '../extensions/ec-point-formats.ts';
import {
  extendedMasterSecretExtension,
  readExtendedMasterSecret,
} from '../extensions/extended-master-secret.ts';
import { type Extension, ExtensionType, extensionData } from '../extensions/extension-list.ts';
import {
  maxFragmentLengthExtension,
  readMaxFragmentLength,
  readRecordSizeLimit,
  recordSizeLimitExtension,
} from '../extensions/record-size-limit.ts';
import {
  emptyRenegotiationInfoScsv,
  readRenegotiationInfo,
  renegotiationInfoExtension,
} from '../extensions/renegotiation-info.ts';
import {
  readReturnRoutabilityCheck,
  returnRoutabilityCheckExtension,
} from '../extensions/return-routability-check.ts';
import { readServerName, serverNameAnswer } from '../extensions/server-name.ts';
import { readSessionTicket, sessionTicketExtension } from '../extensions/session-ticket.ts';
import type {
  AgreedSession,
  FailureOfState,
  HandshakeContext,
  HandshakeParameters,
} from '../handshake-context.ts';
import type { ClientHello } from '../messages/client-hello.ts';
import type { OwnProof } from '../own-proof.ts';
import { checkClientHello } from './check-client-hello.ts';
import { chooseSuite, type SuiteChoice } from './suite-choice.ts';

/** What a handshake goes on with. */
export interface Negotiated {
  readonly parameters: HandshakeParameters;
  /** The group of the ephemeral keys; `undefined` with plain PSK. */
  readonly group: { readonly name: NamedGroup; readonly value: number } | undefined;
  /** What we show and sign with; `undefined` with PSK suites. */
  readonly proof: OwnProof | undefined;
  readonly clientAuthentication: EndpointCredentials['clientAuthentication'];
  /** Of the ServerHello. */
  readonly extensions: readonly Extension[];
}

/**
 * Chooses; or says why there is no handshake with this client.
 *
 * @param recalled The session that goes on: its suite is chosen, and nobody shows a key.
 */
export function negotiate(
  hello: ClientHello,
  context: HandshakeContext,
  recalled: RecalledSession | undefined,
): Negotiated | FailureOfState {
  const { config } = context;
  const refused = checkClientHello(hello);
  if (refused !== undefined) return refused;
  const { extensions } = hello;
  const extended = readExtendedMasterSecret(extensions) === true;
  if (!extended && config.extendedMasterSecret !== 'preferred') {
    return {
      cause: 'no-extended-master-secret',
      detail:
        "the client does not offer extended_master_secret (RFC 7627), which is required here; extendedMasterSecret: 'preferred' (--no-ems) allows that",
      alert: AlertDescription.HandshakeFailure,
    };
  }
  const name = readServerName(extensions) as string | undefined;
  const named = name === undefined ? undefined : config.serverNames.get(name);
  if (name !== undefined && named === undefined && config.requireServerName) {
    return {
      cause: 'unknown-server-name',
      detail: `the client asks for '${peerText(name)}', which is not a name of this server`,
      alert: AlertDescription.UnrecognizedName,
    };
  }
  const credentials = named ?? config.credentials;
  const protocol = chooseProtocol(extensions, config.protocols);
  if (typeof protocol === 'object') return protocol;
  const choice =
    recalled === undefined
      ? chooseSuite(hello, config.suites, credentials)
      : suiteOfSession(recalled.session);
  if ('cause' in choice) return choice;
  const { suite, group, proof, clientType } = choice;
  const connectionIds = agreedConnectionIds(extensions, context);
  const returnRoutabilityCheck =
    connectionIds !== undefined &&
    config.returnRoutabilityCheck &&
    readReturnRoutabilityCheck(extensions) === true;
  const sizes = agreedRecordSizes(extensions, config.maxRecordSize);
  // A client that may show something, but nothing that is taken here, is not asked (RFC 7250 §4.2).
  const clientAuthentication =
    signsKeyExchange(suite) && recalled === undefined && clientType !== undefined
      ? credentials.clientAuthentication
      : 'none';
  const serverType: CertificateType = proof?.presented.kind ?? 'x509';
  const session =
    recalled === undefined
      ? newSession(hello, context, extended, clientAuthentication !== 'none' && clientType === 'x509')
      : goingOn(hello, recalled);
  return {
    parameters: {
      suite,
      clientRandom: hello.random.slice(),
      serverRandom: randomBytes(context.random, 32),
      extendedMasterSecret: extended,
      connectionIds,
      returnRoutabilityCheck,
      recordSizeLimits: sizes.limits,
      protocol,
      serverName: name,
      certificateTypes: { client: clientType ?? 'x509', server: serverType },
      session,
    },
    group,
    proof,
    clientAuthentication,
    extensions: [
      // RFC 5746 §3.6: answered whenever the client shows that it knows it; OpenSSL 3 insists.
      ...(offersRenegotiationInfo(hello) ? [renegotiationInfoExtension] : []),
      ...(extended ? [extendedMasterSecretExtension] : []),
      ...(group !== undefined && readEcPointFormats(extensions) === true ? [ecPointFormatsExtension] : []),
      // RFC 6066 §3: not where a session goes on.
      ...(named === undefined || recalled !== undefined ? [] : [serverNameAnswer]),
      ...(proof !== undefined && extensionData(extensions, ExtensionType.ServerCertificateType) !== undefined
        ? [certificateTypeExtension('server', serverType)]
        : []),
      // RFC 7250 §4.2: only when a certificate of the client is asked for.
      ...(clientAuthentication !== 'none' &&
      clientType !== undefined &&
      extensionData(extensions, ExtensionType.ClientCertificateType) !== undefined
        ? [certificateTypeExtension('client', clientType)]
        : []),
      ...(connectionIds === undefined ? [] : [connectionIdExtension(connectionIds.own)]),
      ...(returnRoutabilityCheck ? [returnRoutabilityCheckExtension] : []),
      ...(session.isTicketPromised ? [sessionTicketExtension()] : []),
      ...(sizes.answer === undefined ? [] : [sizes.answer]),
      ...(protocol === undefined ? [] : [applicationProtocolsExtension([protocol])]),
    ],
  };
}

function suiteOfSession({ suite }: SessionState): SuiteChoice {
  return { suite, group: undefined, proof: undefined, clientType: undefined };
}

/** RFC 7627 §5.3: a session without an extended master secret would never go on, so it gets no name. */
function newSession(
  hello: ClientHello,
  context: HandshakeContext,
  isExtended: boolean,
  hasChain: boolean,
): AgreedSession {
  const takesTickets = readSessionTicket(hello.extensions) !== undefined;
  const promise = isExtended ? context.sessionsAsServer.promise(takesTickets, hasChain) : undefined;
  return {
    sessionId: promise?.sessionId ?? noBytes,
    isTicketPromised: promise?.ticket ?? false,
    resumed: undefined,
  };
}

/** RFC 5246 §7.4.1.3, RFC 5077 §3.4: the same session id says that the session goes on. */
function goingOn(hello: ClientHello, { session, isTicketOld }: RecalledSession): AgreedSession {
  return { sessionId: hello.sessionId.slice(), isTicketPromised: isTicketOld, resumed: session };
}

function offersRenegotiationInfo(hello: ClientHello): boolean {
  return (
    readRenegotiationInfo(hello.extensions) === true ||
    hello.cipherSuites.includes(emptyRenegotiationInfoScsv)
  );
}

function chooseProtocol(
  extensions: readonly Extension[],
  own: readonly string[],
): string | undefined | FailureOfState {
  const offered = readApplicationProtocols(extensions) as readonly string[] | undefined;
  if (offered === undefined || own.length === 0) return undefined;
  const protocol = own.find((name) => offered.includes(name));
  if (protocol !== undefined) return protocol;
  const shown = offered.slice(0, 8).map((name) => peerText(name, 40));
  return {
    cause: 'no-common-protocol',
    detail: `the client offers the application protocols ${shown.join(', ')}; here there are ${own.join(', ')}`,
    alert: AlertDescription.NoApplicationProtocol,
  };
}

function agreedConnectionIds(
  extensions: readonly Extension[],
  context: HandshakeContext,
): HandshakeParameters['connectionIds'] {
  const length = ownConnectionIdLength(context.config, 'server');
  const peer = readConnectionId(extensions) as Uint8Array | undefined;
  if (peer === undefined || length === 'off') return undefined;
  return { own: context.newConnectionId(length), peer };
}

/** RFC 8449 §5: who knows record_size_limit ignores max_fragment_length. */
function agreedRecordSizes(
  extensions: readonly Extension[],
  own: number,
): { readonly limits: HandshakeParameters['recordSizeLimits']; readonly answer?: Extension } {
  const limit = readRecordSizeLimit(extensions) as number | undefined;
  if (limit !== undefined) {
    return { limits: { peer: Math.min(limit, 16_384), own }, answer: recordSizeLimitExtension(own) };
  }
  const length = readMaxFragmentLength(extensions) as number | undefined;
  if (length === undefined) return { limits: { peer: 16_384, own: 16_384 } };
  return { limits: { peer: length, own: length }, answer: maxFragmentLengthExtension(length) };
}

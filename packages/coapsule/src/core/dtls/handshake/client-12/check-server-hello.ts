/**
 * Client: whether the server chose out of what was offered, and what both agreed on then.
 *
 * @module
 */

import { equalBytes } from '../../../foundation/bytes.ts';
import { peerText } from '../../../foundation/peer-text.ts';
import { AlertDescription } from '../../alert.ts';
import { signsKeyExchange } from '../../cipher-suites.ts';
import { ProtocolVersion } from '../../record/record-header.ts';
import { readApplicationProtocols } from '../extensions/application-protocols.ts';
import { readCertificateType } from '../extensions/certificate-types.ts';
import { readConnectionId } from '../extensions/connection-id.ts';
import { readEcPointFormats } from '../extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../extensions/extended-master-secret.ts';
import { ExtensionType, repeatedExtension } from '../extensions/extension-list.ts';
import { readMaxFragmentLength, readRecordSizeLimit } from '../extensions/record-size-limit.ts';
import { readRenegotiationInfo } from '../extensions/renegotiation-info.ts';
import { readReturnRoutabilityCheck } from '../extensions/return-routability-check.ts';
import { readServerNameAnswer } from '../extensions/server-name.ts';
import { readSessionTicket } from '../extensions/session-ticket.ts';
import type {
  AgreedSession,
  FailureOfState,
  HandshakeContext,
  HandshakeParameters,
} from '../handshake-context.ts';
import type { ServerHello } from '../messages/server-hello.ts';
import { ownCertificateTypes } from '../own-proof.ts';
import type { ClientOffer } from './client-offer.ts';

/** Checks a ServerHello against the offer it answers. */
export function checkServerHello(
  answer: ServerHello,
  offer: ClientOffer,
  context: HandshakeContext,
): HandshakeParameters | FailureOfState {
  const { config } = context;
  if (answer.version !== ProtocolVersion.Dtls12) {
    return {
      cause: 'version-too-old',
      detail: `the server chose version 0x${answer.version.toString(16)}; only DTLS 1.2 (0xfefd) is spoken here`,
      alert: AlertDescription.ProtocolVersion,
    };
  }
  const suite = offer.suites.find((one) => one.id === answer.cipherSuite);
  if (suite === undefined) {
    return illegal(`cipher suite 0x${answer.cipherSuite.toString(16)} was not offered`);
  }
  if (answer.compressionMethod !== 0) return illegal('a compression method was chosen');
  const { extensions } = answer;
  const repeated = repeatedExtension(extensions);
  if (repeated !== undefined) return illegal(`extension ${repeated} occurs twice (RFC 5246 §7.4.1.4)`);
  // The signalling suite value counts as an offer of renegotiation_info (RFC 5746 §3.4).
  const offered = new Set([
    ExtensionType.RenegotiationInfo,
    ...offer.hello.extensions.map(({ type }) => type),
  ]);
  const unsolicited = extensions.find(({ type }) => !offered.has(type));
  if (unsolicited !== undefined) {
    return {
      cause: 'unsupported-extension',
      detail: `ServerHello: extension ${unsolicited.type} was not offered (RFC 5246 §7.4.1.4)`,
      alert: AlertDescription.UnsupportedExtension,
    };
  }
  if (readRenegotiationInfo(extensions) === 'malformed') {
    // RFC 5746 §3.4: handshake_failure, not illegal_parameter.
    return { ...illegal('renegotiation_info is not empty'), alert: AlertDescription.HandshakeFailure };
  }
  if (readEcPointFormats(extensions) === 'malformed') return illegal('ec_point_formats lacks uncompressed');
  if (readServerNameAnswer(extensions) === 'malformed') return illegal('server_name is not empty');
  const extended = readExtendedMasterSecret(extensions);
  if (extended === 'malformed') return illegal('extended_master_secret is not empty');
  if (!extended && config.extendedMasterSecret !== 'preferred') {
    return {
      cause: 'no-extended-master-secret',
      detail:
        "the server does not do extended_master_secret (RFC 7627), which is required here; extendedMasterSecret: 'preferred' (--no-ems) allows that",
      alert: AlertDescription.HandshakeFailure,
    };
  }
  const session = agreedSession(answer, offer);
  if (session.resumed !== undefined && session.resumed.suite !== suite) {
    return illegal('a session goes on with another cipher suite (RFC 5246 §7.4.1.3)');
  }
  if (session.resumed !== undefined && !extended) {
    return {
      cause: 'no-extended-master-secret',
      detail: 'the server goes on with a session without its extended_master_secret (RFC 7627 §5.3)',
      alert: AlertDescription.HandshakeFailure,
    };
  }
  const client = readCertificateType(extensions, 'client');
  const server = readCertificateType(extensions, 'server');
  if (client === 'malformed' || server === 'malformed')
    return illegal('an unknown certificate type was chosen');
  const isTypeOffered =
    (!hasExtension(answer, ExtensionType.ClientCertificateType) ||
      ownCertificateTypes(config.credentials).includes(client)) &&
    (!hasExtension(answer, ExtensionType.ServerCertificateType) ||
      config.credentials.peerTypes.includes(server));
  if (!isTypeOffered) return illegal('a certificate type was chosen that was not offered (RFC 7250 §4.2)');
  if (
    signsKeyExchange(suite) &&
    session.resumed === undefined &&
    !config.credentials.peerTypes.includes(server)
  ) {
    return {
      cause: 'no-common-certificate-type',
      detail: `the server shows ${server}; here ${config.credentials.peerTypes.join(', ')} is taken`,
      alert: AlertDescription.UnsupportedCertificate,
    };
  }
  const peerConnectionId = readConnectionId(extensions);
  if (peerConnectionId === 'malformed') return illegal('connection_id is malformed');
  const returnRoutabilityCheck = readReturnRoutabilityCheck(extensions);
  if (returnRoutabilityCheck === 'malformed' || (returnRoutabilityCheck && peerConnectionId === undefined)) {
    return illegal('rrc has data, or comes without connection_id (RFC 9853 §3)');
  }
  const protocols = readApplicationProtocols(extensions);
  const [protocol] = protocols ?? [];
  if (protocols === 'malformed' || (protocols !== undefined && protocols.length !== 1)) {
    return illegal('there is not exactly one application protocol (RFC 7301 §3.1)');
  }
  if (protocol !== undefined && !config.protocols.includes(protocol)) {
    return illegal(`application protocol '${peerText(protocol)}' was not offered`);
  }
  const recordSizeLimits = agreedRecordSizes(answer, offer, config.maxRecordSize);
  if ('cause' in recordSizeLimits) return recordSizeLimits;
  return {
    suite,
    clientRandom: offer.hello.random,
    serverRandom: answer.random.slice(),
    extendedMasterSecret: extended,
    connectionIds:
      peerConnectionId === undefined || offer.connectionId === undefined
        ? undefined
        : { own: offer.connectionId, peer: peerConnectionId },
    returnRoutabilityCheck,
    recordSizeLimits,
    protocol,
    serverName: offer.serverName,
    certificateTypes: { client, server },
    session,
  };
}

/** RFC 5246 §7.4.1.3, RFC 5077 §3.4: when our session id comes back, the session goes on. */
function agreedSession({ sessionId, extensions }: ServerHello, offer: ClientOffer): AgreedSession {
  const isOurs = sessionId.length > 0 && equalBytes(sessionId, offer.hello.sessionId);
  return {
    sessionId: sessionId.slice(),
    isTicketPromised: readSessionTicket(extensions) !== undefined,
    resumed: isOurs ? offer.session : undefined,
  };
}

function agreedRecordSizes(
  answer: ServerHello,
  offer: ClientOffer,
  own: number,
): HandshakeParameters['recordSizeLimits'] | FailureOfState {
  const limit = readRecordSizeLimit(answer.extensions);
  const fragmentLength = readMaxFragmentLength(answer.extensions);
  if (limit === 'malformed') return illegal('record_size_limit is malformed or below 64');
  if (limit !== undefined && fragmentLength !== undefined) {
    return illegal('both record_size_limit and max_fragment_length were answered (RFC 8449 §5)');
  }
  if (limit !== undefined) return { peer: Math.min(limit, 16_384), own };
  if (fragmentLength === undefined) return { peer: 16_384, own: 16_384 };
  if (fragmentLength !== offer.fragmentLength) {
    return illegal('max_fragment_length is not the one that was asked for (RFC 6066 §4)');
  }
  return { peer: fragmentLength, own: fragmentLength };
}

function hasExtension(answer: ServerHello, type: number): boolean {
  return answer.extensions.some((extension) => extension.type === type);
}

function illegal(detail: string): FailureOfState {
  return {
    cause: 'illegal-parameter',
    detail: `ServerHello: ${detail}`,
    alert: AlertDescription.IllegalParameter,
  };
}

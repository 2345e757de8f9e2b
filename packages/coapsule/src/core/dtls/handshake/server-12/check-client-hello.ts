/**
 * Server: what the RFCs forbid in a ClientHello that could be decoded. After this check no extension known here is
 * malformed.
 *
 * @module
 */

import { AlertDescription } from '../../alert.ts';
import { readApplicationProtocols } from '../extensions/application-protocols.ts';
import { readCertificateTypes } from '../extensions/certificate-types.ts';
import { readConnectionId } from '../extensions/connection-id.ts';
import { readEcPointFormats } from '../extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../extensions/extended-master-secret.ts';
import { type ExtensionList, repeatedExtension } from '../extensions/extension-list.ts';
import { readMaxFragmentLength, readRecordSizeLimit } from '../extensions/record-size-limit.ts';
import { readRenegotiationInfo } from '../extensions/renegotiation-info.ts';
import { readReturnRoutabilityCheck } from '../extensions/return-routability-check.ts';
import { readServerName } from '../extensions/server-name.ts';
import { readSignatureAlgorithms } from '../extensions/signature-algorithms.ts';
import { readSupportedGroups } from '../extensions/supported-groups.ts';
import type { FailureOfState } from '../handshake-context.ts';
import type { ClientHello } from '../messages/client-hello.ts';

/** Extensions by name, each with what says whether it is malformed. */
const readers: readonly (readonly [name: string, read: (list: ExtensionList) => unknown])[] = [
  ['extended_master_secret', readExtendedMasterSecret],
  ['supported_groups', readSupportedGroups],
  ['ec_point_formats', readEcPointFormats],
  ['signature_algorithms', readSignatureAlgorithms],
  ['client_certificate_type', (list) => readCertificateTypes(list, 'client')],
  ['server_certificate_type', (list) => readCertificateTypes(list, 'server')],
  ['server_name', readServerName],
  ['application_layer_protocol_negotiation', readApplicationProtocols],
  ['connection_id', readConnectionId],
  ['rrc', readReturnRoutabilityCheck],
  ['record_size_limit', readRecordSizeLimit],
  ['max_fragment_length', readMaxFragmentLength],
];

/** Why the hello is refused, if it is. */
export function checkClientHello({
  extensions,
  compressionMethods,
}: ClientHello): FailureOfState | undefined {
  const repeated = repeatedExtension(extensions);
  if (repeated !== undefined) {
    return illegal(`extension ${repeated} occurs twice (RFC 5246 §7.4.1.4)`);
  }
  if (!compressionMethods.includes(0)) {
    return illegal('the null compression method is missing (RFC 5246 §7.4.1.2)');
  }
  if (readRenegotiationInfo(extensions) === 'malformed') {
    // RFC 5746 §3.6: handshake_failure, not illegal_parameter.
    return {
      ...illegal('renegotiation_info is not empty'),
      alert: AlertDescription.HandshakeFailure,
    };
  }
  const malformed = readers.find(([, read]) => read(extensions) === 'malformed');
  return malformed === undefined ? undefined : illegal(`${malformed[0]} is malformed`);
}

function illegal(detail: string): FailureOfState {
  return {
    cause: 'illegal-parameter',
    detail: `ClientHello: ${detail}`,
    alert: AlertDescription.IllegalParameter,
  };
}

/**
 * Client, flight 1: the first ClientHello. Decides what is offered; cookie exchange is in the next state.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { randomBytes } from '../../../foundation/random-source.ts';
import { ProtocolVersion, recordHeaderLength } from '../../record/record-header.ts';
import { maxCookieLength } from '../cookie.ts';
import { ecPointFormatsExtension } from '../extensions/ec-point-formats.ts';
import { extendedMasterSecretExtension } from '../extensions/extended-master-secret.ts';
import type { Extension } from '../extensions/extension-list.ts';
import { emptyRenegotiationInfoScsv } from '../extensions/renegotiation-info.ts';
import { serverNameExtension } from '../extensions/server-name.ts';
import { supportedGroupsExtension } from '../extensions/supported-groups.ts';
import type { HandshakeContext } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { messageHeaderLength } from '../message-header.ts';
import { type ClientHello, encodeClientHello } from '../messages/client-hello.ts';
import { ExpectServerHello } from './expect-server-hello.ts';

/** Sends the first ClientHello; returns the state that takes its answer, and the client's random. */
export function sendClientHello(
  context: HandshakeContext,
  serverName: string | undefined,
): { readonly state: ExpectServerHello; readonly random: Uint8Array } {
  const hello = composeClientHello(context, serverName);
  const message = {
    type: HandshakeType.ClientHello,
    messageSeq: context.nextMessageSeq(),
    body: encodeClientHello(hello),
  };
  context.sendFlight(1, [{ kind: 'message', message, epoch: 0 }]);
  return { state: new ExpectServerHello(hello, message), random: hello.random };
}

/**
 * The ClientHello without a cookie.
 *
 * Both ClientHellos must say the same (RFC 6347 §4.2.1), so room for a cookie of 32 bytes is reckoned with from
 * the start. What can be left out goes, in this order, until it fits one datagram: server_name,
 * ec_point_formats, supported_groups (RFC 8422 §4: then the server may choose, and all our groups are common
 * ones). extended_master_secret and the renegotiation signal always stay.
 */
function composeClientHello(context: HandshakeContext, serverName: string | undefined): ClientHello {
  const { mtu } = context.config;
  const suites = context.config.suites.filter(({ keyExchange }) => keyExchange.endsWith('PSK'));
  const name = serverName === undefined ? undefined : serverNameExtension(serverName);
  const optional: Extension[] = [];
  if (suites.some((suite) => suite.keyExchange === 'ECDHE_PSK')) {
    optional.push(supportedGroupsExtension(), ecPointFormatsExtension);
  }
  if (name !== undefined) optional.push(name);
  const random = randomBytes(context.random, 32);
  const compose = (): ClientHello => ({
    version: ProtocolVersion.Dtls12,
    random,
    sessionId: noBytes,
    cookie: noBytes,
    // RFC 5746 §3.3: the signalling value says the same as an empty renegotiation_info, in fewer bytes.
    cipherSuites: [...suites.map((suite) => suite.id), emptyRenegotiationInfoScsv],
    compressionMethods: Uint8Array.of(0),
    extensions: [extendedMasterSecretExtension, ...optional],
  });
  const room = mtu - recordHeaderLength - messageHeaderLength - maxCookieLength;
  while (optional.length > 0 && encodeClientHello(compose()).length > room) optional.pop();
  return compose();
}

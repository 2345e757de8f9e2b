/**
 * Server, flight 3 → 4: a ClientHello whose cookie was good is answered with what we choose.
 *
 * Does not check the cookie: `cookie-exchange.ts` does, before there is a state.
 *
 * @module
 */

import { randomBytes } from '../../../foundation/random-source.ts';
import { AlertDescription } from '../../alert.ts';
import type { CipherSuite } from '../../cipher-suites.ts';
import { ProtocolVersion } from '../../record/record-header.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { ecPointFormatsExtension, readEcPointFormats } from '../extensions/ec-point-formats.ts';
import {
  extendedMasterSecretExtension,
  readExtendedMasterSecret,
} from '../extensions/extended-master-secret.ts';
import { type Extension, repeatedExtension } from '../extensions/extension-list.ts';
import {
  emptyRenegotiationInfoScsv,
  readRenegotiationInfo,
  renegotiationInfoExtension,
} from '../extensions/renegotiation-info.ts';
import { namedGroups, readSupportedGroups } from '../extensions/supported-groups.ts';
import type {
  FlightContent,
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { type ClientHello, decodeClientHello } from '../messages/client-hello.ts';
import { encodeServerHello } from '../messages/server-hello.ts';
import { encodeServerKeyExchange } from '../messages/server-key-exchange.ts';
import { ExpectClientKeyExchange } from './expect-client-key-exchange.ts';

/** Waits for the rest of a fragmented ClientHello, or gets the whole one at once. */
export class ExpectClientHello implements HandshakeState {
  readonly name = 'ExpectClientHello';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ClientHello];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ClientHello) return context.failUnexpected(this, message);
    const hello = decodeClientHello(message.body);
    if (isDecodeFault(hello)) return context.failMalformed(message, hello);
    const refused = refusal(hello);
    if (refused !== undefined) {
      return context.fail({
        cause: 'illegal-parameter',
        detail: `ClientHello: ${refused}`,
        alert: AlertDescription.IllegalParameter,
      });
    }
    if (readRenegotiationInfo(hello.extensions) === 'malformed') {
      // RFC 5746 §3.6: handshake_failure, not illegal_parameter.
      return context.fail({
        cause: 'illegal-parameter',
        detail: 'ClientHello: renegotiation_info is not empty',
        alert: AlertDescription.HandshakeFailure,
      });
    }
    const offersRenegotiationInfo =
      readRenegotiationInfo(hello.extensions) === true ||
      hello.cipherSuites.includes(emptyRenegotiationInfoScsv);
    const offersExtendedMasterSecret = readExtendedMasterSecret(hello.extensions) === true;
    if (!offersExtendedMasterSecret && context.config.extendedMasterSecret === 'required') {
      return context.fail({
        cause: 'no-extended-master-secret',
        detail: 'the client does not offer extended_master_secret, which is required here',
        alert: AlertDescription.HandshakeFailure,
      });
    }
    const group = chooseGroup(hello);
    const suite = chooseSuite(hello, context.config.suites, group !== undefined);
    if (suite === undefined) {
      return context.fail({
        cause: 'no-common-suite',
        detail: `the client offers ${suiteTexts(hello.cipherSuites)}; none of them can be used here`,
        alert: AlertDescription.HandshakeFailure,
      });
    }
    context.transcript.add(message);

    const parameters: HandshakeParameters = {
      suite,
      clientRandom: hello.random.slice(),
      serverRandom: randomBytes(context.random, 32),
      extendedMasterSecret: offersExtendedMasterSecret,
      connectionIds: undefined,
      returnRoutabilityCheck: false,
      recordSizeLimits: { peer: 16_384, own: 16_384 },
      protocol: undefined,
      serverName: undefined,
    };
    const extensions: Extension[] = [];
    // RFC 5746 §3.6: answered whenever the client shows that it knows it; OpenSSL 3 insists.
    if (offersRenegotiationInfo) extensions.push(renegotiationInfoExtension);
    if (offersExtendedMasterSecret) extensions.push(extendedMasterSecretExtension);
    if (suite.keyExchange === 'ECDHE_PSK' && readEcPointFormats(hello.extensions) === true) {
      extensions.push(ecPointFormatsExtension);
    }
    const flight: FlightContent[] = [];
    const add = (type: number, body: Uint8Array): void => {
      const content = { type, messageSeq: context.nextMessageSeq(), body };
      context.transcript.add(content);
      flight.push({ kind: 'message', message: content, epoch: 0 });
    };
    add(
      HandshakeType.ServerHello,
      encodeServerHello({
        version: ProtocolVersion.Dtls12,
        random: parameters.serverRandom,
        // No resumption, so no session to name (RFC 5246 §7.4.1.3).
        sessionId: new Uint8Array(0),
        cipherSuite: suite.id,
        compressionMethod: 0,
        extensions,
      }),
    );
    const hint = context.config.pskIdentityHint;
    const keyShare =
      suite.keyExchange === 'ECDHE_PSK' && group !== undefined
        ? context.crypto.keyShare(group.name)
        : undefined;
    if (keyShare !== undefined && group !== undefined) {
      const ecdh = { group: group.value, publicKey: keyShare.publicKey };
      add(HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint, ecdh }));
    } else if (hint.length > 0) {
      // RFC 4279 §2: without a hint the message is left out.
      add(HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint }));
    }
    add(HandshakeType.ServerHelloDone, new Uint8Array(0));
    context.sendFlight(4, flight);
    return new ExpectClientKeyExchange(parameters, keyShare);
  }
}

/** What the RFCs forbid in a ClientHello that could be decoded. */
function refusal(hello: ClientHello): string | undefined {
  const repeated = repeatedExtension(hello.extensions);
  if (repeated !== undefined) return `extension ${repeated} occurs twice (RFC 5246 §7.4.1.4)`;
  if (!hello.compressionMethods.includes(0))
    return 'the null compression method is missing (RFC 5246 §7.4.1.2)';
  if (readExtendedMasterSecret(hello.extensions) === 'malformed')
    return 'extended_master_secret is not empty';
  if (readSupportedGroups(hello.extensions) === 'malformed') return 'supported_groups is malformed';
  if (readEcPointFormats(hello.extensions) === 'malformed') {
    return 'ec_point_formats lacks uncompressed (RFC 8422 §5.1.2)';
  }
  return undefined;
}

/** Our most preferred group that the client takes; without the extension any would do (RFC 8422 §4). */
function chooseGroup(hello: ClientHello): (typeof namedGroups)[number] | undefined {
  const offered = readSupportedGroups(hello.extensions);
  if (offered === undefined || offered === 'malformed') {
    return namedGroups.find(({ name }) => name === 'secp256r1');
  }
  return namedGroups.find(({ value }) => offered.includes(value));
}

/** Our most preferred suite that the client offers. */
function chooseSuite(
  hello: ClientHello,
  suites: readonly CipherSuite[],
  hasGroup: boolean,
): CipherSuite | undefined {
  return suites.find(
    (suite) =>
      hello.cipherSuites.includes(suite.id) &&
      (suite.keyExchange === 'PSK' || (suite.keyExchange === 'ECDHE_PSK' && hasGroup)),
  );
}

/** The first 16 suites by number, and how many more there are: a ClientHello has room for thousands. */
function suiteTexts(ids: readonly number[]): string {
  const shown = ids.slice(0, 16).map((id) => `0x${id.toString(16).padStart(4, '0')}`);
  if (ids.length > shown.length) shown.push(`${ids.length - shown.length} more`);
  return shown.join(', ');
}

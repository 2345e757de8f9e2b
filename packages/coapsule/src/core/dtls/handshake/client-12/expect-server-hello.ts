/**
 * Client, flights 2 → 3 and 4: a HelloVerifyRequest is answered with its cookie; a ServerHello says what the
 * server chose.
 *
 * @module
 */

import { equalBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import type { CipherSuite } from '../../cipher-suites.ts';
import { ProtocolVersion } from '../../record/record-header.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { readEcPointFormats } from '../extensions/ec-point-formats.ts';
import { readExtendedMasterSecret } from '../extensions/extended-master-secret.ts';
import { ExtensionType, repeatedExtension } from '../extensions/extension-list.ts';
import { readRenegotiationInfo } from '../extensions/renegotiation-info.ts';
import type {
  FailureOfState,
  HandshakeContext,
  HandshakeInput,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import type { HandshakeMessage } from '../message-header.ts';
import { type ClientHello, encodeClientHello } from '../messages/client-hello.ts';
import { decodeHelloVerifyRequest } from '../messages/hello-verify-request.ts';
import { decodeServerHello, type ServerHello } from '../messages/server-hello.ts';
import { ExpectServerKeyExchange } from './expect-server-key-exchange.ts';

/** Most cookies taken in one handshake, so that forged ones cannot make us talk for ever. */
const maxCookies = 32;

/** A ClientHello is sent; the server asks for its cookie back, or answers. */
export class ExpectServerHello implements HandshakeState {
  readonly name = 'ExpectServerHello';
  // Servers without state number their first answers in different ways.
  readonly takes = 'first-answer';
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #hello: ClientHello;
  /** The ClientHello that was sent last: the one that counts for the transcript. */
  readonly #sent: HandshakeMessage;

  constructor(hello: ClientHello, sent: HandshakeMessage) {
    this.#hello = hello;
    this.#sent = sent;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    return input.message.type === HandshakeType.HelloVerifyRequest
      ? this.#handleHelloVerifyRequest(input.message, context)
      : this.#handleServerHello(input.message, context);
  }

  #handleHelloVerifyRequest(message: HandshakeMessage, context: HandshakeContext): HandshakeState {
    const request = decodeHelloVerifyRequest(message.body);
    if (isDecodeFault(request)) return this;
    // RFC 6347 §4.2.1: its version tells the packet format only, so it is not compared with anything.
    if (equalBytes(request.cookie, this.#hello.cookie) || this.#sent.messageSeq >= maxCookies) return this;
    const hello: ClientHello = { ...this.#hello, cookie: request.cookie.slice() };
    const again = {
      type: HandshakeType.ClientHello,
      messageSeq: context.nextMessageSeq(),
      body: encodeClientHello(hello),
    };
    context.sendFlight(3, [{ kind: 'message', message: again, epoch: 0 }]);
    return new ExpectServerHello(hello, again);
  }

  #handleServerHello(message: HandshakeMessage, context: HandshakeContext): HandshakeState {
    if (message.type !== HandshakeType.ServerHello) return context.failUnexpected(this, message);
    const answer = decodeServerHello(message.body);
    if (isDecodeFault(answer)) return context.failMalformed(message, answer);
    const suite = context.config.suites.find((one) => one.id === answer.cipherSuite);
    const refused = refusal(answer, this.#hello, suite, context);
    if (refused !== undefined) return context.fail(refused);
    context.transcript.add(this.#sent);
    context.transcript.add(message);
    return new ExpectServerKeyExchange({
      suite: suite as CipherSuite,
      clientRandom: this.#hello.random,
      serverRandom: answer.random.slice(),
      extendedMasterSecret: readExtendedMasterSecret(answer.extensions) === true,
    });
  }
}

/** Why the server's choice cannot be taken. */
function refusal(
  answer: ServerHello,
  hello: ClientHello,
  suite: CipherSuite | undefined,
  context: HandshakeContext,
): FailureOfState | undefined {
  if (answer.version !== ProtocolVersion.Dtls12) {
    return {
      cause: 'protocol-version',
      detail: `the server chose version 0x${answer.version.toString(16)}; only DTLS 1.2 (0xfefd) is spoken here`,
      alert: AlertDescription.ProtocolVersion,
    };
  }
  const illegal = (detail: string): FailureOfState => ({
    cause: 'illegal-parameter',
    detail: `ServerHello: ${detail}`,
    alert: AlertDescription.IllegalParameter,
  });
  if (suite === undefined)
    return illegal(`cipher suite 0x${answer.cipherSuite.toString(16)} was not offered`);
  if (answer.compressionMethod !== 0) return illegal('a compression method was chosen');
  const repeated = repeatedExtension(answer.extensions);
  if (repeated !== undefined) return illegal(`extension ${repeated} occurs twice (RFC 5246 §7.4.1.4)`);
  // The signalling suite value counts as an offer of renegotiation_info (RFC 5746 §3.4).
  const offered = new Set([ExtensionType.RenegotiationInfo, ...hello.extensions.map(({ type }) => type)]);
  const unsolicited = answer.extensions.find(({ type }) => !offered.has(type));
  if (unsolicited !== undefined) {
    return {
      cause: 'unsupported-extension',
      detail: `ServerHello: extension ${unsolicited.type} was not offered (RFC 5246 §7.4.1.4)`,
      alert: AlertDescription.UnsupportedExtension,
    };
  }
  if (readRenegotiationInfo(answer.extensions) === 'malformed') {
    // RFC 5746 §3.4: handshake_failure, not illegal_parameter.
    return { ...illegal('renegotiation_info is not empty'), alert: AlertDescription.HandshakeFailure };
  }
  if (readEcPointFormats(answer.extensions) === 'malformed')
    return illegal('ec_point_formats lacks uncompressed');
  const extended = readExtendedMasterSecret(answer.extensions);
  if (extended === 'malformed') return illegal('extended_master_secret is not empty');
  if (!extended && context.config.extendedMasterSecret !== 'preferred') {
    return {
      cause: 'extended-master-secret-missing',
      detail: 'the server does not do extended_master_secret, which is required here (RFC 7627 §5.2)',
      alert: AlertDescription.HandshakeFailure,
    };
  }
  return undefined;
}

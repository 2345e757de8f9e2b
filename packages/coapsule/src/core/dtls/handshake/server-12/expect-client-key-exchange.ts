/**
 * Server, flight 5: ClientKeyExchange names the identity of a pre-shared key, brings the client's public key, or both.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import type { KeyShare } from '../../../foundation/crypto-provider.ts';
import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { deriveKeys } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeClientKeyExchange } from '../messages/client-key-exchange.ts';
import type { PeerKey } from '../peer-credential.ts';
import { AwaitPskKey } from './await-psk-key.ts';
import { ExpectCertificateVerify } from './expect-certificate-verify.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';

/** Longest identity in bytes that is looked up; RFC 4279 §5.3 asks for 128. It is kept with the association. */
const maxIdentityLength = 1024;

/** Flight 4 is sent; the client's key exchange comes next. */
export class ExpectClientKeyExchange implements HandshakeState {
  readonly name = 'ExpectClientKeyExchange';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #keyShare: KeyShare | undefined;
  readonly #peer: PeerKey | undefined;

  /** @param peer What the client showed; it has to prove that it has the key. */
  constructor(parameters: HandshakeParameters, keyShare: KeyShare | undefined, peer: PeerKey | undefined) {
    this.#parameters = parameters;
    this.#keyShare = keyShare;
    this.#peer = peer;
    this.expects =
      peer === undefined
        ? [HandshakeType.ClientKeyExchange]
        : [HandshakeType.ClientKeyExchange, HandshakeType.CertificateVerify];
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ClientKeyExchange) return context.failUnexpected(this, message);
    const exchange = decodeClientKeyExchange(message.body, this.#parameters.suite.keyExchange);
    if (isDecodeFault(exchange)) return context.failMalformed(message, exchange);
    let sharedSecret: Uint8Array | undefined;
    if (this.#keyShare !== undefined && exchange.publicKey !== undefined) {
      sharedSecret = this.#keyShare.agree(exchange.publicKey);
      if (sharedSecret === undefined) {
        return context.fail({
          cause: 'illegal-parameter',
          detail: "ClientKeyExchange: the client's public key is not valid for its group (RFC 8422 §5.11)",
          alert: AlertDescription.IllegalParameter,
        });
      }
    }
    context.transcript.add(message);
    const sessionHash = context.transcript.digest();
    if (exchange.identity !== undefined) {
      return this.#askForKey(exchange.identity, sharedSecret, sessionHash, context);
    }
    const keys = deriveKeys(context, this.#parameters, sharedSecret ?? noBytes, sessionHash);
    if (this.#peer !== undefined) return new ExpectCertificateVerify(this.#parameters, keys, this.#peer);
    context.installKeys(keys);
    return new ExpectChangeCipherSpec([
      {
        parameters: this.#parameters,
        identity: noBytes,
        proof: { kind: 'none' },
        masterSecret: keys.masterSecret,
      },
    ]);
  }

  #askForKey(
    given: Uint8Array,
    sharedSecret: Uint8Array | undefined,
    sessionHash: Uint8Array,
    context: HandshakeContext,
  ): HandshakeState {
    if (given.length > maxIdentityLength) {
      // Goes on like any unknown one, so that the limit tells nothing.
      const unknown = new AwaitPskKey(this.#parameters, noBytes, sharedSecret, sessionHash);
      return unknown.handle({ kind: 'psk-answer', answer: undefined }, context);
    }
    const identity = given.slice();
    context.askForPsk({ identity });
    return new AwaitPskKey(this.#parameters, identity, sharedSecret, sessionHash);
  }
}

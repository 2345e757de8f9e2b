/**
 * Client, flight 4 → 5: with identity and key from the application, our half of the key exchange is sent.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import type { NamedGroup } from '../../../foundation/crypto-provider.ts';
import { AlertDescription } from '../../alert.ts';
import { deriveKeys, finishedBody } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeClientKeyExchange } from '../messages/client-key-exchange.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';

/** The server's ephemeral key of a group we know. */
export interface ServerEcdhKey {
  readonly group: NamedGroup;
  readonly publicKey: Uint8Array;
}

/** The server's flight is complete; the application picks the credential. */
export class AwaitPskCredential implements HandshakeState {
  readonly name = 'AwaitPskCredential';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = true;
  readonly #parameters: HandshakeParameters;
  readonly #ecdh: ServerEcdhKey | undefined;

  constructor(parameters: HandshakeParameters, ecdh: ServerEcdhKey | undefined) {
    this.#parameters = parameters;
    this.#ecdh = ecdh;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'psk-answer') return this;
    if (input.answer === undefined) {
      return context.fail({
        cause: 'no-credentials',
        detail: 'there is no identity and key for this server',
        alert: AlertDescription.HandshakeFailure,
      });
    }
    const { identity = noBytes, key } = input.answer;
    const keyShare = this.#ecdh === undefined ? undefined : context.crypto.keyShare(this.#ecdh.group);
    const sharedSecret = this.#ecdh === undefined ? undefined : keyShare?.agree(this.#ecdh.publicKey);
    if (this.#ecdh !== undefined && sharedSecret === undefined) {
      return context.fail({
        cause: 'illegal-parameter',
        detail: "ServerKeyExchange: the server's public key is not valid for its group (RFC 8422 §5.11)",
        alert: AlertDescription.IllegalParameter,
      });
    }
    const exchange = {
      type: HandshakeType.ClientKeyExchange,
      messageSeq: context.nextMessageSeq(),
      body: encodeClientKeyExchange(
        keyShare === undefined ? { identity } : { identity, publicKey: keyShare.publicKey },
      ),
    };
    context.transcript.add(exchange);
    const keys = deriveKeys(context, this.#parameters, key, sharedSecret, context.transcript.digest());
    context.installKeys({ read: keys.server, write: keys.client });
    const finished = {
      type: HandshakeType.Finished,
      messageSeq: context.nextMessageSeq(),
      body: finishedBody(context, this.#parameters, keys.masterSecret, 'client'),
    };
    context.transcript.add(finished);
    context.sendFlight(5, [
      { kind: 'message', message: exchange, epoch: 0 },
      { kind: 'change-cipher-spec' },
      { kind: 'message', message: finished, epoch: 1 },
    ]);
    return new ExpectChangeCipherSpec(this.#parameters, identity, keys.masterSecret);
  }
}

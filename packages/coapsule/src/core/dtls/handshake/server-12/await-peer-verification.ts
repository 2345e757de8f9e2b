/**
 * Server, within flight 5: the application judges what the client showed; what it sends meanwhile is kept.
 *
 * @module
 */

import type { PresentedCredential } from '../../credentials.ts';
import type { DerivedKeys } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { rejection } from '../peer-credential.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import { ExpectFinished } from './expect-finished.ts';

/** The client has proved that it has the key it showed. */
export class AwaitPeerVerification implements HandshakeState {
  readonly name = 'AwaitPeerVerification';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly waitsForApplication = true;
  readonly #parameters: HandshakeParameters;
  readonly #keys: DerivedKeys;
  readonly #credential: PresentedCredential;
  #changeCipherSpecSeen = false;

  constructor(parameters: HandshakeParameters, keys: DerivedKeys, credential: PresentedCredential) {
    this.#parameters = parameters;
    this.#keys = keys;
    this.#credential = credential;
  }

  get takesChangeCipherSpec(): boolean {
    return !this.#changeCipherSpecSeen;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind === 'change-cipher-spec') this.#changeCipherSpecSeen = true;
    if (input.kind !== 'peer-verdict') return this;
    const { verdict } = input;
    if (!verdict.accepted) return context.fail(rejection(verdict));
    context.installKeys(this.#keys);
    const Next = this.#changeCipherSpecSeen ? ExpectFinished : ExpectChangeCipherSpec;
    return new Next([
      {
        parameters: this.#parameters,
        identity: verdict.identity,
        proof: this.#credential,
        masterSecret: this.#keys.masterSecret,
      },
    ]);
  }
}

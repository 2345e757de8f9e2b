/**
 * Server, within flight 5: the application looks up the key of the identity; what the client sends meanwhile
 * is absorbed or kept.
 *
 * A client may have one of several keys, as while one takes the place of another: which one, its Finished tells.
 *
 * An unknown identity goes on with a random key, so that it cannot be told from a wrong key, neither by bytes
 * nor by time (RFC 4279 §2, §5.3, §7.1).
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { randomBytes } from '../../../foundation/random-source.ts';
import { pskPremasterSecret } from '../../key-schedule/prf-12.ts';
import { pskDigest } from '../../session/session-state.ts';
import { type DerivedKeys, deriveKeys } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import { ExpectFinished } from './expect-finished.ts';

/** The identity is known; its key is not yet. */
export class AwaitPskKey implements HandshakeState {
  readonly name = 'AwaitPskKey';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly waitsForApplication = true;
  readonly #parameters: HandshakeParameters;
  readonly #identity: Uint8Array;
  readonly #sharedSecret: Uint8Array | undefined;
  readonly #sessionHash: Uint8Array;
  #changeCipherSpecSeen = false;

  constructor(
    parameters: HandshakeParameters,
    identity: Uint8Array,
    sharedSecret: Uint8Array | undefined,
    sessionHash: Uint8Array,
  ) {
    this.#parameters = parameters;
    this.#identity = identity;
    this.#sharedSecret = sharedSecret;
    this.#sessionHash = sessionHash;
  }

  get takesChangeCipherSpec(): boolean {
    return !this.#changeCipherSpecSeen;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind === 'change-cipher-spec') this.#changeCipherSpecSeen = true;
    if (input.kind !== 'psk-answer') return this;
    const answer = input.answer;
    if (answer === undefined) context.noteIdentityUnknown();
    // Drawn for every identity, so that a known one takes no less time.
    const randomKey = randomBytes(context.random, 16);
    const key = answer?.key ?? randomKey;
    const keys = this.#derive(key, context, false);
    const results = [this.#resultOf(key, keys, 0, context)];
    const others = (answer?.otherKeys ?? []).map((other, i) => () => {
      const otherKeys = this.#derive(other, context, true);
      results[i + 1] = this.#resultOf(other, otherKeys, i + 1, context);
      return otherKeys;
    });
    context.installKeys(keys, others);
    const Next = this.#changeCipherSpecSeen ? ExpectFinished : ExpectChangeCipherSpec;
    return new Next(results);
  }

  #derive(key: Uint8Array, context: HandshakeContext, isAttempt: boolean): DerivedKeys {
    const premaster = pskPremasterSecret(key, this.#sharedSecret);
    return deriveKeys(context, this.#parameters, premaster, this.#sessionHash, isAttempt);
  }

  #resultOf(
    key: Uint8Array,
    { masterSecret }: DerivedKeys,
    pskIndex: number,
    context: HandshakeContext,
  ): HandshakeResult {
    return {
      parameters: this.#parameters,
      identity: this.#identity,
      proof: { kind: 'psk', keyDigest: pskDigest(context.crypto, key), hint: noBytes },
      masterSecret,
      pskIndex,
    };
  }
}

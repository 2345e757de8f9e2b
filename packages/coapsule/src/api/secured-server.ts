/**
 * The server of a client's endpoint on `coaps`: with what it is answered in a handshake, and who it is found to be.
 *
 * By what it is judged is in `peer-verification.ts`. The twin for the other side is `secured-clients.ts`.
 *
 * @module
 */

import type { PresentedCredential } from '../core/dtls/credentials.ts';
import { peerText } from '../core/foundation/peer-text.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import type { Driver, DriverOutput } from '../node/driver.ts';
import type { ClientOptions, PskCredential } from './client-options.ts';
import { CoapsuleError } from './errors.ts';
import { type AssociationNotes, associationSecurity, noSecurity, type PeerSecurity } from './peer-info.ts';
import { judgePeer, refusedBy, type VerificationPolicy } from './peer-verification.ts';
import type { RemoteServer } from './remote-server.ts';

/** What `SecuredServer` works with. */
export interface SecuredServerParts {
  readonly server: RemoteServer;
  readonly driver: Driver;
  readonly psk: ClientOptions['psk'];
  /** By what the server is judged; undefined on plain `coap`. */
  readonly policy: VerificationPolicy | undefined;
  /** See `newAssociationPrefix`. */
  readonly prefix: string;
  /** Whether its host has a name; that of a line has none. */
  readonly isNamed: boolean;
}

/** See the module comment. */
export class SecuredServer {
  readonly #server: RemoteServer;
  readonly #driver: Driver;
  readonly #psk: ClientOptions['psk'];
  readonly #policy: VerificationPolicy | undefined;
  readonly #prefix: string;
  readonly #isNamed: boolean;
  /** Of the handshake under way: what the latest verification said, and of what. */
  #notes: { readonly of: PresentedCredential['kind']; readonly notes: AssociationNotes } | undefined;
  #security: PeerSecurity = noSecurity;
  #missingCredential: CoapsuleError | undefined;

  constructor(parts: SecuredServerParts) {
    this.#server = parts.server;
    this.#driver = parts.driver;
    this.#psk = parts.psk;
    this.#policy = parts.policy;
    this.#prefix = parts.prefix;
    this.#isNamed = parts.isNamed;
  }

  /** How it has proved itself. */
  get security(): PeerSecurity {
    return this.#security;
  }

  /** Why the handshake had no credential, where it had none. */
  get missingCredential(): CoapsuleError | undefined {
    return this.#missingCredential;
  }

  /** Answers what the endpoint asks in a handshake. */
  answer(output: Extract<DriverOutput, { kind: 'psk-lookup' | 'verify-peer' }>): void {
    if (output.kind === 'psk-lookup') void this.#lookUpPsk(output.lookup, output.hint);
    else void this.#verify(output.verification, output.credential);
  }

  /** There is an association. */
  connected(output: Extract<DriverOutput, { kind: 'connected' }>): void {
    this.#missingCredential = undefined;
    const notes = this.#notes?.of === output.authentication.kind ? this.#notes.notes : {};
    this.#security = associationSecurity(output, this.#prefix, notes);
    this.#notes = undefined;
  }

  async #lookUpPsk(lookup: number, hint: Uint8Array | undefined): Promise<void> {
    const hintText = hint === undefined ? undefined : new TextDecoder().decode(hint);
    this.#notes = undefined;
    let credential: PskCredential | undefined;
    let cause: unknown;
    try {
      const psk = this.#psk;
      const { host, address } = this.#server;
      credential = typeof psk === 'function' ? await psk({ host, port: address.port, hint: hintText }) : psk;
    } catch (error) {
      cause = error;
    }
    if (credential === undefined) {
      this.#missingCredential = new CoapsuleError(
        'ERR_CREDENTIALS',
        `no pre-shared key for ${this.#server.host}:${this.#server.address.port}` +
          (hintText === undefined ? '' : ` (the server's hint is '${peerText(hintText)}')`),
        'give `psk` with identity and key',
        cause === undefined ? {} : { cause },
      );
    }
    if (this.#driver.closed) return;
    const answer = credential && { identity: pskIdentityBytes(credential), key: credential.key };
    this.#driver.run((endpoint, now) => endpoint.answerPskLookup(lookup, answer, now));
  }

  async #verify(verification: number, credential: PresentedCredential): Promise<void> {
    const { address, host, serverName } = this.#server;
    // Whoever is at the other end of a line has no name there but the one that was asked for.
    const place = { address, host: this.#isNamed ? host : undefined, serverName };
    const judgement = await judgePeer(credential, place, this.#policy).catch((error: unknown) =>
      refusedBy(error),
    );
    if (this.#driver.closed) return;
    this.#notes = { of: credential.kind, notes: judgement };
    this.#driver.run((endpoint, now) =>
      endpoint.answerPeerVerification(verification, judgement.verdict, now),
    );
  }
}

/** The identity of a pre-shared key as it is sent. */
export function pskIdentityBytes({ identity }: PskCredential): Uint8Array {
  return typeof identity === 'string' ? encodeUtf8(identity) : identity;
}

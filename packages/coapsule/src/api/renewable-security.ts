/**
 * How a listener proves itself to clients and how it knows them, which may change while it is open.
 *
 * A handshake takes what counts when it begins to be answered; associations and connections go on with what they were made
 * with.
 *
 * @module
 */

import type { EndpointCredentials } from '../core/dtls/credentials.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { NamedCredentials, ServerCredentialOptions } from './credential-options.ts';
import { expectKnownOptions } from './known-options.ts';
import type { VerificationPolicy } from './peer-verification.ts';
import { type ServerSecurity, serverSecurity } from './server-security.ts';

/** What can be renewed. */
export type RenewedCredentials = NamedCredentials & Pick<ServerCredentialOptions, 'clientCertificates'>;

/** See the module comment. */
export class RenewableSecurity {
  readonly #where: string;
  readonly #options: ServerCredentialOptions;
  readonly #hasPsk: boolean;
  #current: ServerSecurity;

  /** @throws ApiMisuseError as `serverSecurity`. */
  constructor(where: string, options: ServerCredentialOptions, hasPsk: boolean) {
    this.#where = where;
    this.#options = options;
    this.#hasPsk = hasPsk;
    this.#current = serverSecurity(where, options, hasPsk);
  }

  /** As they count now. */
  get credentials(): EndpointCredentials {
    return this.#current.credentials;
  }

  get serverNames(): ReadonlyMap<string, EndpointCredentials> {
    return this.#current.serverNames;
  }

  /** Stays the same object: it asks for the authorities each time. */
  get policy(): VerificationPolicy {
    return { ...this.#current.policy, trustAnchors: () => this.#current.policy.trustAnchors() };
  }

  /**
   * These count from now on, in place of those before.
   *
   * @throws ApiMisuseError for what cannot be used, and for other kinds of credentials; then nothing has changed.
   */
  renew(renewed: RenewedCredentials): void {
    const place = `${this.#where}: renewCredentials`;
    expectKnownOptions(place, renewed, { certificate: true, rawPublicKey: true, clientCertificates: true });
    const { certificate: _one, rawPublicKey: _two, clientCertificates: _three, ...others } = this.#options;
    const next = serverSecurity(place, { ...others, ...renewed }, this.#hasPsk);
    const before = kindsOf(this.#current.credentials);
    const after = kindsOf(next.credentials);
    if (before !== after) {
      throw new ApiMisuseError(
        `${place}: there was ${before}, and now ${after}; other kinds of credentials need another listener`,
      );
    }
    this.#current = next;
  }
}

/** What an open port cannot change: what it asks of clients, and what it can show. */
function kindsOf({
  certificate,
  rawPublicKey,
  peerTypes,
  clientAuthentication,
}: EndpointCredentials): string {
  const own = [certificate && 'a certificate', rawPublicKey && 'a raw public key'].filter(Boolean);
  const clients = peerTypes.length === 0 ? 'nothing' : peerTypes.join(' and ');
  return `${own.join(' and ') || 'nothing'} to show, with ${clients} of clients ${clientAuthentication}`;
}

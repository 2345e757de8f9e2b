/**
 * From the `kid` and kid context of a request to those whose request it may be.
 *
 * RFC 8613 §3.3, §5.1 and §8.2 step 2. The interface is where contexts come from: a table of what is provisioned, as here,
 * or a key exchange that makes them later (EDHOC, Group OSCORE).
 *
 * @module
 */

import { toHex } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { ServerSecurity } from './peer-security.ts';

/** Who knows the contexts of a server. */
export interface ContextProvider {
  /**
   * Those whose request it may be, most likely one; none when there is none. They are tried one after the other, so there
   * should be few.
   *
   * @param kid 0 … 255 bytes.
   * @param kidContext When the request has one, no context with another ID may be used (RFC 8613 §5).
   */
  candidates(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly ServerSecurity[];
}

/** Clients that one request without a kid context is tried with: each costs a decryption that anybody can ask for. */
const maxCandidates = 8;

/** Clients by the `kid` of their requests. */
export class ContextTable implements ContextProvider {
  readonly #byKid = new Map<string, ServerSecurity[]>();

  /** Adds a client. Throws `ApiMisuseError` when it is there already. */
  add(client: ServerSecurity): void {
    const kid = toHex(client.recipientId);
    const clients = this.#byKid.get(kid) ?? [];
    if (clients.includes(client)) throw new ApiMisuseError(`the client with kid 0x${kid} is there already`);
    this.#byKid.set(kid, [...clients, client]);
  }

  /** Removes a client; false when it is not there. */
  remove(client: ServerSecurity): boolean {
    const kid = toHex(client.recipientId);
    const clients = this.#byKid.get(kid) ?? [];
    const others = clients.filter((other) => other !== client);
    if (others.length === 0) this.#byKid.delete(kid);
    else this.#byKid.set(kid, others);
    return others.length < clients.length;
  }

  /** Whether it is there. */
  has(client: ServerSecurity): boolean {
    return this.#byKid.get(toHex(client.recipientId))?.includes(client) === true;
  }

  candidates(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly ServerSecurity[] {
    const clients = (this.#byKid.get(toHex(kid)) ?? []).filter((client) => client.accepts(kidContext));
    // §5.1: the client is told that none was found, and comes again with its kid context.
    return clients.length > maxCandidates ? [] : clients;
  }
}

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
  readonly #byKid = new Map<number | string, readonly ServerSecurity[]>();

  /** Adds a client. Throws `ApiMisuseError` when it is there already. */
  add(client: ServerSecurity): void {
    const { recipientId } = client;
    const clients = this.#withKid(recipientId);
    if (clients.includes(client))
      throw new ApiMisuseError(`the client with kid 0x${toHex(recipientId)} is there already`);
    this.#byKid.set(nameOf(recipientId), [...clients, client]);
  }

  /** Removes a client; false when it is not there. */
  remove(client: ServerSecurity): boolean {
    const kid = nameOf(client.recipientId);
    const clients = this.#withKid(client.recipientId);
    const others = clients.filter((other) => other !== client);
    if (others.length === 0) this.#byKid.delete(kid);
    else this.#byKid.set(kid, others);
    return others.length < clients.length;
  }

  /** Whether it is there. */
  has(client: ServerSecurity): boolean {
    return this.#withKid(client.recipientId).includes(client);
  }

  candidates(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly ServerSecurity[] {
    const all = this.#withKid(kid);
    const clients = all.every((client) => client.accepts(kidContext))
      ? all
      : all.filter((client) => client.accepts(kidContext));
    // §5.1: the client is told that none was found, and comes again with its kid context.
    return clients.length > maxCandidates ? none : clients;
  }

  #withKid(kid: Uint8Array): readonly ServerSecurity[] {
    return this.#byKid.get(nameOf(kid)) ?? none;
  }
}

const none: readonly ServerSecurity[] = [];

/** What is found without a text being made: length and value of a `kid` of up to 5 bytes as one number. */
function nameOf(kid: Uint8Array): number | string {
  if (kid.length > 5) return toHex(kid);
  let name = kid.length;
  for (let i = 0; i < kid.length; i++) name = name * 256 + (kid[i] as number);
  return name;
}

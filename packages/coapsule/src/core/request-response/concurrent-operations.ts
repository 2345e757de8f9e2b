/**
 * Which operations of the client are under way with which resource, so that no two of them look the same.
 *
 * RFC 9175 §3.5.2, RFC 7959 §2.4: a server that puts blocks together, or keeps a response for its later blocks,
 * tells operations of one client apart by method, URI and Request-Tag. Any request may become block-wise by its
 * response, so all are looked at. The Request-Tag of a lone operation is the absent one.
 *
 * Over an association the Request-Tag of an upload is used up when a block of it could be replayed later (RFC 9175
 * §3.5.1): when it had no answer, or when one of its messages was repeated.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionSet } from '../coap/option-set.ts';
import type { PeerKey } from './exchange.ts';
import { requestBodyKey } from './resource-key.ts';

/** The operations under way. */
export class ConcurrentOperations {
  readonly #keys = new Set<string>();
  /** Of uploads that are over, and of which a block could still be replayed. */
  readonly #usedUp = new Map<PeerKey, Set<string>>();
  #tag = 0;

  /** Number of operations under way. */
  get size(): number {
    return this.#keys.size;
  }

  /**
   * Begins an operation, and returns its key. `options` gets one more Request-Tag, beside the caller's own: `tag` if
   * it is given, and a counted one if an operation like it is under way.
   */
  begin(peer: PeerKey, code: Code, options: OptionSet, tag?: Uint8Array): string {
    if (tag !== undefined) options.add(OptionNumber.RequestTag, tag);
    const own = [...options.all(OptionNumber.RequestTag)];
    let key = requestBodyKey(peer, code, options);
    const usedUp = this.#usedUp.get(peer);
    // Beyond the bound each operation gets a tag: counted ones never come again.
    let isDoubtful = (usedUp?.size ?? 0) >= maxUsedUp;
    while (isDoubtful || this.#keys.has(key) || usedUp?.has(key)) {
      isDoubtful = false;
      this.#tag = (this.#tag + 1) % 2 ** 32;
      options.delete(OptionNumber.RequestTag);
      for (const value of own) options.add(OptionNumber.RequestTag, value);
      options.add(OptionNumber.RequestTag, this.#tag);
      key = requestBodyKey(peer, code, options);
    }
    this.#keys.add(key);
    return key;
  }

  /** Ends the operation with this key. */
  end(key: string): void {
    this.#keys.delete(key);
  }

  /** Ends an upload of which a block could be replayed: nothing like it begins with its tag until `forgetPeer`. */
  useUp(peer: PeerKey, key: string): void {
    this.end(key);
    const ofPeer = this.#usedUp.get(peer) ?? new Set();
    if (ofPeer.size < maxUsedUp) this.#usedUp.set(peer, ofPeer.add(key));
  }

  /** The association is over: nothing of it can be replayed any more. */
  forgetPeer(peer: PeerKey): void {
    this.#usedUp.delete(peer);
  }
}

/** Keys kept for one peer. */
const maxUsedUp = 256;

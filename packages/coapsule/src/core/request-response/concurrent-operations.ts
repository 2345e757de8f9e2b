/**
 * Which operations of the client are under way with which resource, so that no two of them look the same.
 *
 * RFC 9175 §3.5.2, RFC 7959 §2.4: a server that puts blocks together, or keeps a response for its later blocks,
 * tells operations of one client apart by method, URI and Request-Tag. Any request may become block-wise by its
 * response, so all are looked at. The Request-Tag of a lone operation is the absent one.
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
    while (this.#keys.has(key)) {
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
}

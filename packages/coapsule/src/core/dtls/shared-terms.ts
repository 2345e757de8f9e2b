/**
 * What associations have in common that were made alike, in one object for all of them.
 *
 * @module
 */

import type { CipherSuite } from './cipher-suites.ts';
import type { PeerAuthentication } from './credentials.ts';

/** What was agreed on in a handshake, but for the keys; does not change. */
export interface Terms {
  readonly suite: CipherSuite;
  readonly authentication: PeerAuthentication;
  readonly resumed: boolean;
  readonly extendedMasterSecret: boolean;
  /** Whether connection ids were negotiated; the keys have them. */
  readonly hasConnectionIds: boolean;
  readonly returnRoutabilityCheck: boolean;
  /** Most plaintext of a record that the peer takes, in bytes (RFC 8449, RFC 6066 §4). */
  readonly peerRecordSizeLimit: number;
  readonly protocol: string | undefined;
  readonly serverName: string | undefined;
}

/** Terms that are looked for among those of other associations; more kinds than these are rare. */
const maxSharedTerms = 64;

/** The same without the cipher suite. */
export type Agreed = Omit<Terms, 'suite'>;

/** See the module comment. */
export class SharedTerms {
  readonly #known = new Map<string, Terms>();
  /** Of the association that came last: the next one is likely to have them too. */
  #latest: Terms | undefined;

  /** The terms in an object that other associations have too, where they can be the same. */
  of(suite: CipherSuite, agreed: Agreed): Terms {
    if (this.#latest?.suite === suite && isSame(agreed, this.#latest)) return this.#latest;
    // One by one: what is given has more, such as the identity of one peer.
    const { authentication, resumed, extendedMasterSecret, hasConnectionIds, returnRoutabilityCheck } =
      agreed;
    const { peerRecordSizeLimit, protocol, serverName } = agreed;
    const terms: Terms = {
      suite,
      authentication,
      resumed,
      extendedMasterSecret,
      hasConnectionIds,
      returnRoutabilityCheck,
      peerRecordSizeLimit,
      protocol,
      serverName,
    };
    const { kind } = authentication;
    if (kind !== 'psk' && kind !== 'none') return terms;
    const key = JSON.stringify({ ...terms, suite: suite.id });
    const known = this.#known.get(key);
    this.#latest = known?.suite === suite ? known : terms;
    if (this.#latest === known) return known;
    if (this.#known.size === maxSharedTerms) this.#known.clear();
    this.#known.set(key, terms);
    return terms;
  }
}

function isSame(a: Agreed, b: Agreed): boolean {
  return (
    a.authentication.kind === b.authentication.kind &&
    a.resumed === b.resumed &&
    a.extendedMasterSecret === b.extendedMasterSecret &&
    a.hasConnectionIds === b.hasConnectionIds &&
    a.returnRoutabilityCheck === b.returnRoutabilityCheck &&
    a.peerRecordSizeLimit === b.peerRecordSizeLimit &&
    a.protocol === b.protocol &&
    a.serverName === b.serverName
  );
}

/**
 * How much may go to an address that nothing proves: no more than three times what came from there.
 *
 * RFC 7252 §11.3, RFC 9175 §2.4 (item 3) and §2.6, with the factor of RFC 9000 §8. Counted are bytes of UDP payload,
 * whatever they carry, and for each address and port. What an address has left can only be too little after its account
 * was forgotten, never too much: so a bounded number of accounts is enough.
 *
 * Neither sends nor proves; see `address-proof.ts` for the proofs and `request-response/limited-response.ts` for
 * responses that fit.
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import { RecencyMap } from '../foundation/recency-map.ts';

/** Bytes out for each byte in. */
const factor = 3;

/** A message and its four repetitions (RFC 7252 §4.8). */
const transmissions = 5;

/** Nobody saves up for later: about what three full datagrams of a peer are good for. */
const maxCredit = 4096;

/** How long a proof holds. */
const proofLifetimeMs: DurationMs = 600_000;

/** Wrong guesses at a Message ID after which acknowledgements prove nothing any more; an honest peer makes none. */
const maxGuesses = 8;

interface Account {
  /** Bytes that may go out. */
  credit: number;
  provedUntil: Instant | undefined;
  /** The peer has sent an Echo back: another one will be worth its bytes. */
  echoes: boolean;
  /** It got less than there was: an Echo in the next response tells it that there is more to have. */
  isEchoDue: boolean;
  guesses: number;
  /** A ping for a proof is on its way. */
  isAsked: boolean;
}

/** The accounts of all addresses of one socket. */
export class AmplificationLimit {
  readonly #maxAddresses: number;
  /** Those that were never proved, the longest silent first. */
  readonly #unproved = new RecencyMap<Account>();
  /** Those that were proved, now or once, the longest ago first: no spoofed address takes the place of one. */
  readonly #proved = new RecencyMap<Account>();

  /** @param maxAddresses Addresses remembered at most: so many never proved, and so many proved. */
  constructor(maxAddresses: number) {
    this.#maxAddresses = maxAddresses;
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#unproved.size + this.#proved.size;
  }

  /** A datagram of `bytes` came from an address. */
  received(address: string, bytes: number): void {
    const account = this.#proved.get(address) ?? this.#openAccount(address);
    account.credit = Math.min(maxCredit, account.credit + factor * bytes);
  }

  /**
   * A response of so many bytes is for a client that OSCORE vouches for (RFC 9175 §2.6): it may go, and be repeated, whoever
   * the address is.
   */
  vouchedFor(address: string, bytes: number): void {
    const account = this.#account(address) ?? this.#openAccount(address);
    account.credit = Math.min(maxCredit, account.credit + transmissions * bytes);
  }

  /** Whether a proof of this address holds. */
  isProved(address: string, now: Instant): boolean {
    const until = this.#proved.get(address)?.provedUntil;
    return until !== undefined && now < until;
  }

  /** Bytes that may go to an address now; `Infinity` where it is proved. */
  allowance(address: string, now: Instant): number {
    if (this.isProved(address, now)) return Infinity;
    return this.#account(address)?.credit ?? 0;
  }

  /** Takes `bytes` for a datagram to an address; false when they are not there, and it must not go. */
  spend(address: string, bytes: number, now: Instant): boolean {
    if (this.isProved(address, now)) return true;
    const account = this.#account(address);
    if (account === undefined || account.credit < bytes) return false;
    account.credit -= bytes;
    return true;
  }

  /** Whether a Confirmable message should get a Message ID that nobody can guess: its acknowledgement will be wanted. */
  wantsAcknowledgement(address: string, now: Instant): boolean {
    return this.#isEnding(address, now) && (this.#account(address)?.guesses ?? 0) < maxGuesses;
  }

  /** Whether a ping may prove an address, and none is on its way. */
  mayAsk(address: string, now: Instant): boolean {
    return this.#account(address)?.isAsked === false && this.wantsAcknowledgement(address, now);
  }

  /** Whether a ping for a proof is on its way. */
  isAsking(address: string): boolean {
    return this.#account(address)?.isAsked === true;
  }

  /** A ping for a proof is on its way, or no longer. */
  asked(address: string, isAsked: boolean): void {
    const account = this.#account(address);
    if (account !== undefined) account.isAsked = isAsked;
  }

  /**
   * Whether a response to a proved address should carry an Echo, which it is then taken to do: the peer sends them back
   * and its proof ends soon, or it was proved after it had got less than there was.
   */
  takesEcho(address: string, now: Instant): boolean {
    const account = this.#proved.get(address);
    if (account === undefined) return false;
    const { isEchoDue, echoes } = account;
    account.isEchoDue = false;
    return isEchoDue || (echoes && this.#isEnding(address, now));
  }

  /** Less went to an address than there was for it. */
  fellShort(address: string): void {
    const account = this.#account(address);
    if (account !== undefined) account.isEchoDue = true;
  }

  /** An Echo came back that went to this address at `issuedAt`: whoever repeats it later proves nothing newer. */
  echoed(address: string, issuedAt: Instant): void {
    const account = this.#prove(address, after(issuedAt, proofLifetimeMs));
    account.echoes = true;
  }

  /** A message whose ID nobody could guess was acknowledged or reset. */
  acknowledged(address: string, now: Instant): void {
    if ((this.#account(address)?.guesses ?? 0) < maxGuesses)
      this.#prove(address, after(now, proofLifetimeMs));
  }

  /** An acknowledgement or Reset came for a message that there never was. */
  guessed(address: string): void {
    const account = this.#account(address);
    if (account !== undefined) account.guesses++;
  }

  #isEnding(address: string, now: Instant): boolean {
    const until = this.#proved.get(address)?.provedUntil;
    return until === undefined || until < after(now, proofLifetimeMs / 2);
  }

  #account(address: string): Account | undefined {
    return this.#proved.get(address) ?? this.#unproved.get(address);
  }

  #openAccount(address: string): Account {
    const known = this.#unproved.use(address);
    if (known !== undefined) return known;
    const account = newAccount();
    this.#unproved.set(address, account);
    this.#unproved.keepLatest(this.#maxAddresses);
    return account;
  }

  #prove(address: string, until: Instant): Account {
    const account = this.#account(address) ?? newAccount();
    this.#unproved.delete(address);
    this.#proved.set(address, account);
    if (account.provedUntil === undefined || account.provedUntil < until) account.provedUntil = until;
    this.#proved.keepLatest(this.#maxAddresses);
    return account;
  }
}

function newAccount(): Account {
  return { credit: 0, provedUntil: undefined, echoes: false, isEchoDue: false, guesses: 0, isAsked: false };
}

/**
 * Associations of a process that crashed, whose peers have to prove that their records are not old ones.
 *
 * After a crash it is not known which records up to the stored edge were received. A record beyond it never was, so
 * that it proves itself. One at or below it, though authentic, is not acted on: the peer is asked something that only
 * a living peer can answer, by a return routability check where that was agreed on (RFC 9853 §4), else by the layer
 * above. The answer proves all records after it; the peer's own retransmission carries what was not acted on.
 *
 * Whoever recorded the peer can present its old records, from any address. Therefore only a record with a number at
 * least as high as all before makes somebody be asked: once the peer spoke, it alone can do that. Asked are the
 * address of the association and the one the record came from, which gets at most three times its bytes.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import type { AssociationId } from './dtls-output.ts';
import { decodePathMessage, PathMessageType, pathCookieLength } from './return-routability-message.ts';
import { UnprovedAddress } from './unproved-address.ts';

/** An address that records in doubt came from. */
interface Source {
  readonly to: UnprovedAddress;
  askedAt: Instant | undefined;
}

interface Doubt {
  /** Cookies that were sent lately. */
  cookies: Uint8Array[];
  /** Highest number of a record in doubt, now and when the layer above asked last. */
  highest: number;
  highestWhenAsked: number | undefined;
  wrongAnswers: number;
  /** When the association's own address was asked, and when the layer above asked last. */
  askedAt: Instant | undefined;
  questionAt: Instant | undefined;
  /** The others, the latest at the end. */
  readonly sources: Map<string, Source>;
}

/** A record in doubt, with where it came from. */
export interface DoubtfulRecord {
  readonly sequenceNumber: number;
  readonly from: PeerAddress;
  /** Bytes of the whole record. */
  readonly length: number;
}

/** Who is to be asked because of a record. */
interface Asked {
  readonly addresses: readonly PeerAddress[];
  /** Whether the record came from where nobody was asked before. */
  readonly isFromNewAddress: boolean;
}

/** What an answer, or what claims to be one, means. */
export type FreshnessVerdict = 'proved' | 'given-up' | 'nothing';

/** Each address is asked once in this time, however many old records come. */
const askIntervalMs = 1000;

/** An answer may take this many challenges. */
const maxCookies = 16;

/** Addresses that are asked, of one association. */
const maxSources = 4;

/** Answers to no question, of a layer above that can be guessed right in one of 65,536. */
const maxWrongAnswers = 8;

/** The associations in doubt of a layer. */
export class FreshnessProofs {
  readonly #random: RandomSource;
  /** Of most nothing is noted yet: after a crash all are in doubt, and of many nothing comes for hours. */
  readonly #doubts = new Map<AssociationId, Doubt | typeof unheard>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** The process that had it crashed. */
  doubt(association: AssociationId): void {
    this.#doubts.set(association, unheard);
  }

  isInDoubt(association: AssociationId): boolean {
    return this.#doubts.has(association);
  }

  #noted(association: AssociationId): Doubt | undefined {
    const known = this.#doubts.get(association);
    if (known !== unheard) return known;
    const doubt = newDoubt();
    this.#doubts.set(association, doubt);
    return doubt;
  }

  /** A record proved itself, or the association is over. */
  settle(association: AssociationId): void {
    this.#doubts.delete(association);
  }

  /**
   * Takes note of a record in doubt.
   *
   * @param own The address of the association.
   * @returns the addresses that it is time to ask because of this record.
   */
  receive(
    association: AssociationId,
    { sequenceNumber, from, length }: DoubtfulRecord,
    own: PeerAddress,
    now: Instant,
  ): Asked {
    const doubt = this.#noted(association);
    if (doubt === undefined) return nobody;
    const known = doubt.sources.get(from.key);
    if (known !== undefined) known.to.received += length;
    if (sequenceNumber < doubt.highest) return nobody;
    doubt.highest = sequenceNumber;
    const addresses: PeerAddress[] = [];
    if (isTime(doubt.askedAt, now)) {
      doubt.askedAt = now;
      addresses.push(own);
    }
    if (from.key === own.key) return { addresses, isFromNewAddress: false };
    const source = known ?? { to: new UnprovedAddress(from, length, { bytes: 0 }), askedAt: undefined };
    doubt.sources.delete(from.key);
    doubt.sources.set(from.key, source);
    const [oldest] = doubt.sources.keys();
    if (doubt.sources.size > maxSources && oldest !== undefined) doubt.sources.delete(oldest);
    // A question of the layer above goes to all, so that a new one takes its place: not too often.
    if (!isTime(source.askedAt, now) || !isTime(doubt.questionAt, now)) {
      return { addresses, isFromNewAddress: false };
    }
    const isFromNewAddress = source.askedAt === undefined;
    source.askedAt = now;
    addresses.push(from);
    return { addresses, isFromNewAddress };
  }

  /** The cookie of a new challenge. */
  newCookie(association: AssociationId): Uint8Array {
    const cookie = randomBytes(this.#random, pathCookieLength);
    const doubt = this.#noted(association);
    if (doubt !== undefined) doubt.cookies = [...doubt.cookies.slice(1 - maxCookies), cookie];
    return cookie;
  }

  /** Whether a return_routability_check message answers one of our challenges. */
  isAnswer(association: AssociationId, content: Uint8Array): boolean {
    const message = decodePathMessage(content);
    if (typeof message === 'string' || message.type === PathMessageType.Challenge) return false;
    const cookies = this.#noted(association)?.cookies ?? [];
    return cookies.some((cookie) => equalBytes(cookie, message.cookie));
  }

  /** The layer above asks a new question. */
  noteQuestion(association: AssociationId, now: Instant): void {
    const doubt = this.#noted(association);
    if (doubt === undefined) return;
    doubt.highestWhenAsked = doubt.highest;
    doubt.questionAt = now;
  }

  /**
   * The layer above has what may be an answer. One in a record that the peer sent before the question is none; too
   * many wrong ones, and somebody is guessing.
   */
  judge(association: AssociationId, sequenceNumber: number, isRight: boolean): FreshnessVerdict {
    const doubt = this.#noted(association);
    const { highestWhenAsked } = doubt ?? {};
    if (doubt === undefined || highestWhenAsked === undefined) return 'nothing';
    if (sequenceNumber <= highestWhenAsked) return 'nothing';
    if (isRight) return 'proved';
    doubt.wrongAnswers++;
    return doubt.wrongAnswers >= maxWrongAnswers ? 'given-up' : 'nothing';
  }

  /** Where a record of so many bytes goes too, besides the association's address. */
  takeOthers(association: AssociationId, bytes: number): readonly PeerAddress[] {
    const doubt = this.#noted(association);
    if (doubt === undefined) return [];
    const sources = [...doubt.sources.values()];
    return sources.filter(({ to }) => to.spend(bytes)).map(({ to }) => to.address);
  }

  /** Whether a record may go to an address, of the association's own or of a source. */
  maySend(association: AssociationId, address: PeerAddress, bytes: number): boolean {
    const source = this.#noted(association)?.sources.get(address.key);
    return source === undefined || source.to.spend(bytes);
  }
}

/** In the place of a doubt of which nothing is noted. */
const unheard = 'unheard';

const nobody: Asked = { addresses: [], isFromNewAddress: false };

function newDoubt(): Doubt {
  return {
    cookies: [],
    highest: -1,
    highestWhenAsked: undefined,
    wrongAnswers: 0,
    askedAt: undefined,
    questionAt: undefined,
    sources: new Map(),
  };
}

function isTime(askedAt: Instant | undefined, now: Instant): boolean {
  return askedAt === undefined || elapsedMs(askedAt, now) >= askIntervalMs;
}

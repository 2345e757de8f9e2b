/**
 * Certification paths: from the certificate of a peer to a trust anchor (RFC 5280 §6, RFC 4158 for the search).
 *
 * The certificates that a peer shows may come in any order and be more than needed (RFC 8446 §4.4.2). The search tries
 * issuers by name, those with the right key identifier first, and has a bound for its work: anybody may show a chain, so
 * what grows with the content of certificates (name constraints) is done for a path that has reached a trust anchor, and
 * not before. Revocation lists and OCSP are not read (RFC 7925 §4.4.3); there is a deny list. Certificate policies are
 * not processed: a certificate that makes them critical is refused.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider, PublicKey, SignatureScheme } from '../foundation/crypto-provider.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { type Certificate, isSelfIssued, type TrustAnchor } from './certificate.ts';
import {
  type CertificatePurpose,
  checkAnywhere,
  checkIssuer,
  checkLeaf,
  checkNames,
  nameOf,
  type PathRefusal,
  refusal,
} from './certificate-checks.ts';
import { sameName } from './distinguished-name.ts';
import { recentCertificate } from './recent-certificates.ts';
import { describePublicKey } from './subject-public-key.ts';

/** What is to be judged, and by what. */
export interface PathQuestion {
  /** DER, the peer's own certificate first. */
  readonly chain: readonly Uint8Array[];
  readonly anchors: readonly TrustAnchor[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** What the owner of the first certificate is in the handshake. */
  readonly purpose: CertificatePurpose;
  /** The deny list: asked for every certificate of a path, the anchor too. */
  readonly denied?: ((certificate: Certificate) => boolean) | undefined;
  readonly crypto: Pick<CryptoProvider, 'publicKey' | 'digest'>;
}

/** A path that is accepted, or why there is none. */
export type PathVerdict =
  | {
      readonly accepted: true;
      /** From the peer's own certificate to the trust anchor; one certificate when it is itself the anchor. */
      readonly path: readonly Certificate[];
      /** The earliest end of a validity in the path, in milliseconds since 1970. */
      readonly expiresAtMs: number;
    }
  | PathRefusal;

/** The same as in the handshake's limit for a Certificate message. */
const maxCertificates = 10;
const maxSignatureChecks = 20;
/** Names times subtrees in one validation, about a millisecond. */
const maxNameComparisons = 16_384;

/**
 * Looks for a path and judges it; never throws, whatever the chain holds.
 *
 * Of several failures the one of the path that came closest to a trust anchor is told. A certificate that is itself
 * among the anchors is trusted without a signature, but has to be valid and fit its purpose.
 */
export function validatePath(question: PathQuestion): PathVerdict {
  const { chain, anchors, nowMs, purpose } = question;
  const [first] = chain;
  if (first === undefined) return refusal('certificate-malformed', 'the peer showed no certificate');
  if (chain.length > maxCertificates) {
    const detail = `the peer showed ${chain.length} certificates, more than ${maxCertificates}`;
    return refusal('certificate-unsupported', detail);
  }
  const leaf = recentCertificate(first);
  if (isDecodeFault(leaf)) return refusal('certificate-malformed', `certificate 1: ${leaf.reason}`);

  const search = new PathSearch(question);
  const isAnchor = anchors.some(({ certificate }) => equalBytes(certificate.der, leaf.der));
  const refused = search.unusable(leaf) ?? checkAnywhere(leaf, isAnchor, nowMs) ?? checkLeaf(leaf, purpose);
  if (refused !== undefined) return refused;
  if (isAnchor) return accepted([leaf]);
  const path = search.from([leaf]);
  return path === undefined ? search.refusal : accepted(path);
}

function accepted(path: readonly Certificate[]): PathVerdict {
  const expiresAtMs = path.reduce((earliest, { notAfterMs }) => Math.min(earliest, notAfterMs), Infinity);
  return { accepted: true, path, expiresAtMs };
}

interface Candidate {
  readonly certificate: Certificate;
  readonly isAnchor: boolean;
}

/** How far a path came, the nearest last: what decides which failure is told. */
const stages = ['no-issuer', 'signature', 'unusable', 'issuer', 'anchor'] as const;
type Stage = (typeof stages)[number];

class PathSearch {
  readonly #question: PathQuestion;
  readonly #candidates: readonly Candidate[];
  readonly #keys = new Map<Certificate, PublicKey | undefined>();
  #signatureChecks = 0;
  readonly #nameBudget = { left: maxNameComparisons };
  #best: { readonly refusal: PathRefusal; readonly stage: number } | undefined;
  /** A certificate of the peer that is none: what to tell when a path misses an issuer. */
  readonly #malformed: PathRefusal | undefined;

  constructor(question: PathQuestion) {
    this.#question = question;
    const candidates: Candidate[] = question.anchors.map(({ certificate }) => ({
      certificate,
      isAnchor: true,
    }));
    for (const [index, der] of question.chain.entries()) {
      if (equalBytes(der, question.chain[0] as Uint8Array)) continue;
      if (candidates.some(({ certificate }) => equalBytes(certificate.der, der))) continue;
      const certificate = recentCertificate(der);
      if (isDecodeFault(certificate)) {
        const detail = `certificate ${index + 1}: ${certificate.reason}`;
        this.#malformed ??= refusal('certificate-malformed', detail);
      } else {
        candidates.push({ certificate, isAnchor: false });
      }
    }
    this.#candidates = candidates;
  }

  get refusal(): PathRefusal {
    const best = this.#best;
    if (this.#malformed !== undefined && (best === undefined || best.stage === 0)) return this.#malformed;
    return best?.refusal ?? refusal('unknown-ca', 'there is no path to a trust anchor');
  }

  /** On the deny list, or with a key that cannot be used. */
  unusable(certificate: Certificate): PathRefusal | undefined {
    if (this.#question.denied?.(certificate) === true) {
      const detail = `${nameOf(certificate)}, serial number ${certificate.serialNumber}, is on the deny list`;
      return refusal('certificate-revoked', detail);
    }
    if (this.#keyOf(certificate) === undefined) {
      const key = describePublicKey(certificate.spki);
      const detail = `${nameOf(certificate)} has a key that is not accepted: ${key}`;
      return refusal('certificate-unsupported', detail);
    }
    return undefined;
  }

  /** The path made longer until it ends with an anchor, or `undefined`. */
  from(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const subject = path[path.length - 1] as Certificate;
    const { scheme, text } = subject.signatureAlgorithm;
    if (scheme === undefined) {
      const detail = `${nameOf(subject)} is signed with ${text}, which is not accepted`;
      return this.#fail('unusable', refusal('certificate-unsupported', detail));
    }
    const candidates = this.#issuersOf(subject, path);
    if (candidates.length === 0) return this.#fail('no-issuer', missingIssuer(subject));
    for (const { certificate: issuer, isAnchor } of candidates) {
      const key = this.#keyOf(issuer);
      if (key !== undefined) {
        if (++this.#signatureChecks > maxSignatureChecks) {
          return this.#fail(
            'signature',
            refusal('unknown-ca', 'the certificates allow too many paths to try'),
          );
        }
        if (!isVouchedFor(subject, key, scheme)) {
          this.#fail('signature', badSignature(subject, issuer));
          continue;
        }
      }
      const longer = [...path, issuer];
      const refused =
        this.unusable(issuer) ??
        checkAnywhere(issuer, isAnchor, this.#question.nowMs) ??
        this.#unrooted(issuer) ??
        checkIssuer(issuer, path, this.#question.purpose) ??
        (isAnchor ? checkNames(longer, this.#question.purpose, this.#nameBudget) : undefined);
      if (refused !== undefined) {
        this.#fail(isAnchor ? 'anchor' : 'issuer', refused);
        continue;
      }
      const whole = isAnchor ? longer : this.from(longer);
      if (whole !== undefined) return whole;
    }
    return undefined;
  }

  /**
   * A certificate of version 1 cannot say whether it is a CA. As a trust anchor it is one when it signs itself, as roots do;
   * the certificate of a device that is trusted by itself must not vouch for others.
   */
  #unrooted(issuer: Certificate): PathRefusal | undefined {
    const { version, signatureAlgorithm, signature, toBeSigned } = issuer;
    if (version === 3) return undefined;
    const { scheme } = signatureAlgorithm;
    const isRoot =
      isSelfIssued(issuer) &&
      scheme !== undefined &&
      this.#keyOf(issuer)?.verify(scheme, signature, toBeSigned) === true;
    if (isRoot) return undefined;
    const detail = `${nameOf(issuer)} is a certificate of version ${version} that does not sign itself: no CA`;
    return refusal('certificate-usage', detail);
  }

  /**
   * Certificates with the name of the issuer: the right key identifier first, then anchors, then as they came. No name
   * with the same key twice in a path (RFC 4158 §2.4.2): that would be a way round in a circle.
   */
  #issuersOf(subject: Certificate, path: readonly Certificate[]): readonly Candidate[] {
    const named = this.#candidates.filter(
      ({ certificate }) =>
        sameName(certificate.subject, subject.issuer) &&
        !path.some((other, i) => other === certificate || (i > 0 && isSameEntity(other, certificate))),
    );
    return [
      ...named.filter(({ certificate }) => keyIdentifiersFit(subject, certificate)),
      ...named.filter(({ certificate }) => !keyIdentifiersFit(subject, certificate)),
    ];
  }

  #keyOf(certificate: Certificate): PublicKey | undefined {
    if (!this.#keys.has(certificate)) {
      this.#keys.set(certificate, this.#question.crypto.publicKey(certificate.spki));
    }
    return this.#keys.get(certificate);
  }

  #fail(stage: Stage, refusal: PathRefusal): undefined {
    const rank = stages.indexOf(stage);
    if (this.#best === undefined || rank > this.#best.stage) this.#best = { refusal, stage: rank };
  }
}

/** By which keys a signature was found good. What was found once holds for ever; all else is judged anew each time. */
const goodSignatures = new WeakMap<Certificate, WeakSet<PublicKey>>();

function isVouchedFor(subject: Certificate, key: PublicKey, scheme: SignatureScheme): boolean {
  const keys = goodSignatures.get(subject);
  if (keys?.has(key)) return true;
  if (!key.verify(scheme, subject.signature, subject.toBeSigned)) return false;
  if (keys === undefined) goodSignatures.set(subject, new WeakSet([key]));
  else keys.add(key);
  return true;
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return sameName(a.subject, b.subject) && equalBytes(a.spki, b.spki);
}

/** Whether they do not contradict each other (RFC 5280 §4.2.1.1). */
function keyIdentifiersFit(subject: Certificate, issuer: Certificate): boolean {
  const wanted = subject.authorityKeyIdentifier;
  const found = issuer.subjectKeyIdentifier;
  return wanted === undefined || found === undefined || equalBytes(wanted, found);
}

function missingIssuer(subject: Certificate): PathRefusal {
  const detail = isSelfIssued(subject)
    ? `${nameOf(subject)} is self-signed and not among the trust anchors`
    : `${nameOf(subject)} was issued by ${subject.issuer.text}, which is not among the trust anchors`;
  return refusal('unknown-ca', detail);
}

function badSignature(subject: Certificate, issuer: Certificate): PathRefusal {
  const [name, ca] = [nameOf(subject), nameOf(issuer)];
  // An older or a foreign CA of the same name, which is what a new test CA makes of certificates from before.
  if (!keyIdentifiersFit(subject, issuer)) {
    return refusal('unknown-ca', `${name} was issued by another ${ca} than the known one: their keys differ`);
  }
  return refusal('certificate-signature', `the signature of ${ca} on ${name} is not good`);
}

/**
 * The diagnosis of a line while it is used: a finding is told when it appears, once.
 *
 * It sees what a capture beside the device would hold. What looks like a fault for a moment (notifications whose acknowledgements are
 * on their way) is no finding yet: one has to stand in two looks.
 *
 * Bounded: each rule remembers `mostRemembered` messages, the newest. That is a few megabytes of usual ones, and below 300 MB if all
 * were of the largest size.
 *
 * @module
 */

import type { LinkProfile } from 'coapsule/message';
import type { DecodedPacket } from '../decode/capture-decoder.ts';
import type { DecodedDatagram } from '../decode/datagram-decoder.ts';
import { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { Finding } from '../diagnosis/finding.ts';

const mostRemembered = 4000;

/** Kinds and places that are told; more of them tell nothing new. */
const mostTold = 1000;

/** A datagram that passed. */
export interface PassedDatagram {
  /** Numbers the messages of the tap; it stands for the frame. */
  readonly number: number;
  readonly wallTimeMs: number;
  readonly source: string;
  readonly destination: string;
  readonly length: number;
  readonly decoded: DecodedDatagram;
  /** A message of a stream. */
  readonly isStream?: boolean;
}

/** See the module comment. */
export class LiveDiagnosis {
  readonly #diagnosis: Diagnosis;
  readonly #tell: (finding: Finding) => void;
  /** Seen in the look before. */
  #standing: ReadonlySet<string> = new Set();
  readonly #told = new Set<string>();
  #isNew = false;

  constructor(link: Pick<LinkProfile, 'mtu'> | undefined, tell: (finding: Finding) => void) {
    this.#diagnosis = new Diagnosis(link, mostRemembered);
    this.#tell = tell;
  }

  see({
    number: frame,
    wallTimeMs,
    source,
    destination,
    length,
    decoded,
    isStream = false,
  }: PassedDatagram): void {
    const none = new Uint8Array();
    const packet: DecodedPacket = {
      packet: { frame, wallTimeMs, linkType: 101, bytes: none, originalLength: length },
      ...{ source, destination, protocol: isStream ? 'tcp' : 'udp', ipFragments: 1, payloadLength: length },
      ...{ parts: decoded.parts, summary: decoded.summary, datagram: decoded },
    };
    this.#diagnosis.see(packet);
    this.#isNew = true;
  }

  /** Tells what is new. To be called every second or so. */
  look(): void {
    if (!this.#isNew && this.#standing.size === 0) return;
    this.#isNew = false;
    const findings = this.#diagnosis.findings();
    for (const finding of findings) if (this.#standing.has(keyOf(finding))) this.#tellOnce(finding);
    this.#standing = new Set(findings.map(keyOf).filter((key) => !this.#told.has(key)));
  }

  /** All findings with their counts, those that were not told yet told first. */
  end(): readonly Finding[] {
    const findings = this.#diagnosis.findings();
    for (const finding of findings) this.#tellOnce(finding);
    return summed(findings);
  }

  #tellOnce(finding: Finding): void {
    const key = keyOf(finding);
    if (this.#told.has(key) || this.#told.size >= mostTold) return;
    this.#told.add(key);
    this.#tell(finding);
  }
}

function keyOf({ kind, where }: Finding): string {
  return `${kind} ${where}`;
}

/** Some kinds have a finding for each case: here one for all at a place. */
function summed(findings: readonly Finding[]): readonly Finding[] {
  const byKey = new Map<string, Finding>();
  for (const finding of findings) {
    const key = keyOf(finding);
    const before = byKey.get(key);
    byKey.set(key, before === undefined ? finding : { ...before, count: before.count + finding.count });
  }
  return [...byKey.values()];
}

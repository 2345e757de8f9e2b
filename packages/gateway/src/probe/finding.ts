/**
 * What a probe says about a peer: one finding for each thing that it looked at.
 *
 * @module
 */

/**
 * `supported`: it is there, or behaves as its rule asks. `absent`: it is not there, which its rule allows. `violates`: it breaks the rule.
 * `unknown`: what was seen does not tell, or it was not tried.
 */
export type ProbeResult = 'supported' | 'absent' | 'violates' | 'unknown';

/** Where it is written, and how strongly. */
export interface Rule {
  /** Number of the RFC. */
  readonly rfc: number;
  /** Such as `5.4.1`. */
  readonly section: string;
  readonly level: 'MUST' | 'SHOULD' | 'MAY';
}

/** The parts of a probe that can be chosen one by one, in the order they run. */
export const probeGroups = [
  'messages',
  'methods',
  'blocks',
  'observe',
  'etag',
  'echo',
  'oscore',
  'transports',
  'dtls',
  'suites',
  'amplification',
  'malformed',
] as const;

/** One of them. */
export type ProbeGroup = (typeof probeGroups)[number];

/** One line of the report. */
export interface Finding {
  /** Stable name within its group, such as `block2-64`. */
  readonly check: string;
  /** What was looked at, for people. */
  readonly title: string;
  readonly result: ProbeResult;
  /** What was seen. May quote the peer: make it printable. */
  readonly evidence: string;
  readonly rule: Rule;
}

/** What a finding is about, without what was found. */
export type Subject = Pick<Finding, 'check' | 'title' | 'rule'>;

/** A rule of an RFC. */
export function rule(rfc: number, section: string, level: Rule['level'] = 'MUST'): Rule {
  return { rfc, section, level };
}

/** The finding about `subject`. */
export function found(subject: Subject, result: ProbeResult, evidence: string): Finding {
  const { check, title, rule } = subject;
  return { check, title, result, evidence, rule };
}

/** Where the rule can be read; a section that is an appendix begins with a letter. */
export function ruleLink({ rfc, section }: Rule): string {
  const anchor = /^[A-Z]/.test(section) ? 'appendix' : 'section';
  return `https://www.rfc-editor.org/rfc/rfc${rfc}#${anchor}-${section}`;
}

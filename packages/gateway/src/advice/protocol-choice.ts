/**
 * CoAP, HTTP or MQTT: the one of which most criteria are met.
 *
 * A share of the criteria of each, so that one with a longer list has no advantage. On a tie all are named, with what joins them.
 * Pure functions.
 *
 * @module
 */

import { dtlsBytes, oscoreBytes } from '../figures/protection-sizes.ts';

/** The protocols that are compared. */
export type ProtocolName = 'CoAP' | 'HTTP' | 'MQTT';

/** What may be true of a deployment. */
export type ProtocolCriterion =
  | 'constrained'
  | 'low-power'
  | 'request-response'
  | 'rest'
  | 'multicast'
  | 'ipv6'
  | 'device-to-device'
  | 'browser'
  | 'http-infrastructure'
  | 'unconstrained'
  | 'complex-authentication'
  | 'publish-subscribe'
  | 'broker'
  | 'many-to-many'
  | 'quality-of-service'
  | 'topics';

/** By the protocol that each speaks for. */
export const protocolCriteria: Readonly<Record<ProtocolName, ReadonlyMap<ProtocolCriterion, string>>> = {
  CoAP: new Map([
    ['constrained', 'devices are constrained: 8-bit processors, little memory'],
    ['low-power', 'they live on batteries'],
    ['request-response', 'it is asked and answered'],
    ['rest', 'there is a REST interface'],
    ['multicast', 'devices are found by multicast'],
    ['ipv6', 'the network is IPv6 or 6LoWPAN'],
    ['device-to-device', 'devices talk to each other directly'],
  ]),
  HTTP: new Map([
    ['browser', 'browsers have access'],
    ['http-infrastructure', 'what is there already is HTTP'],
    ['unconstrained', 'devices are not constrained'],
    ['complex-authentication', 'authentication is complex'],
  ]),
  MQTT: new Map([
    ['publish-subscribe', 'it is published and subscribed to'],
    ['broker', 'a central broker is acceptable'],
    ['many-to-many', 'many talk to many'],
    ['quality-of-service', 'there are levels of quality of service'],
    ['topics', 'messages are routed by topics'],
  ]),
};

/** How far a protocol fits. */
export interface ProtocolScore {
  readonly protocol: ProtocolName;
  /** 0 … 1. */
  readonly share: number;
  /** The criteria that are met, as text. */
  readonly reasons: readonly string[];
}

/** What fits. */
export interface ProtocolAdvice {
  /** One, more on a tie, none where no criterion is met. */
  readonly protocols: readonly ProtocolName[];
  /** All three, the best first. */
  readonly scores: readonly ProtocolScore[];
  /** What joins those that fit, and what to know; one sentence each. */
  readonly hints: readonly string[];
}

/** All criteria, in the order of the protocols. */
export const protocolCriterionNames: readonly ProtocolCriterion[] = Object.values(protocolCriteria).flatMap(
  (criteria) => [...criteria.keys()],
);

/** What fits a deployment of which these are true. */
export function adviseProtocol(criteria: readonly ProtocolCriterion[]): ProtocolAdvice {
  const met = new Set(criteria);
  const scores = (Object.keys(protocolCriteria) as ProtocolName[])
    .map((protocol): ProtocolScore => {
      const all = protocolCriteria[protocol];
      const reasons = [...all].flatMap(([name, text]) => (met.has(name) ? text : []));
      return { protocol, share: reasons.length / all.size, reasons };
    })
    .sort((one, other) => other.share - one.share);
  const best = scores[0]!.share;
  const protocols =
    best === 0 ? [] : scores.flatMap(({ protocol, share }) => (share === best ? protocol : []));
  return { protocols, scores, hints: hintsFor(protocols, met) };
}

function hintsFor(
  protocols: readonly ProtocolName[],
  met: ReadonlySet<ProtocolCriterion>,
): readonly string[] {
  const hints: string[] = [];
  const hasCoap = protocols.includes('CoAP');
  if (hasCoap && (protocols.includes('HTTP') || met.has('browser'))) {
    hints.push('devices speak CoAP, browsers HTTP: "coapsule serve --http" translates (RFC 8075)');
  }
  if (hasCoap && (protocols.includes('MQTT') || met.has('broker') || met.has('publish-subscribe'))) {
    hints.push('devices speak CoAP, the cloud MQTT: "coapsule serve --mqtt" bridges');
  }
  if (hasCoap && (met.has('constrained') || met.has('low-power'))) {
    const { request, response } = oscoreBytes();
    hints.push(
      `protection has a price: ${dtlsBytes()} bytes a message with DTLS, ${request} a request and ${response} a response with OSCORE`,
    );
  }
  if (met.has('constrained') && met.has('unconstrained')) {
    hints.push('devices cannot be constrained and not: say which ones are meant');
  }
  return hints;
}

/**
 * How to protect a deployment: five questions, asked in order until one decides.
 *
 * | # | question | yes | no |
 * |---|---|---|---|
 * | 1 | are the data sensitive or regulated? | 2 | plain CoAP |
 * | 2 | is there a public key infrastructure? | DTLS with certificates | 3 |
 * | 3 | can keys be given to devices safely when they are made? | 4 | key distribution first |
 * | 4 | do messages pass proxies that must not read them? | OSCORE | 5 |
 * | 5 | is there room for fewer than 10 bytes more in a message? | OSCORE | DTLS with pre-shared keys |
 *
 * What the five do not ask (certificates and proxies together, deep sleep) is told as a warning. Pure functions.
 *
 * @module
 */

import { handshakePlan } from '../figures/handshake-steps.ts';
import { dtlsBytes, oscoreBytes, oscoreRequestRange } from '../figures/protection-sizes.ts';
import { stepRadio } from '../figures/radio-energy.ts';

/** What protects messages; `key-distribution-first`: nothing can, before devices have keys. */
export type SecurityMode = 'plain' | 'dtls-certificate' | 'dtls-psk' | 'oscore' | 'key-distribution-first';

/** What the advice depends on. */
export interface SecurityQuestion {
  /** Personal, medical, financial, or otherwise regulated data. */
  readonly sensitiveData: boolean;
  /** A certificate authority, and somebody who renews certificates. */
  readonly publicKeyInfrastructure: boolean;
  readonly keysAtManufacture: boolean;
  readonly untrustedProxies: boolean;
  /** Fewer than 10 bytes left in a frame. */
  readonly littleHeadroom: boolean;
  /** The device loses its memory between two messages; no by default. */
  readonly deepSleep?: boolean;
}

/** One question that was asked. */
export interface SecurityStep {
  readonly question: string;
  readonly answer: boolean;
}

/** The mode, and why. */
export interface SecurityAdvice {
  readonly mode: SecurityMode;
  /** The questions up to the one that decided. */
  readonly steps: readonly SecurityStep[];
  /** One sentence. */
  readonly reason: string;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

interface Decision {
  readonly fact: Exclude<keyof SecurityQuestion, 'deepSleep'>;
  readonly question: string;
  readonly decidedBy: boolean;
  readonly mode: SecurityMode;
  readonly reason: string;
}

const oscore = oscoreBytes();
const range = oscoreRequestRange();
const dtlsFactor = `${dtlsBytes()}, with a 16-byte tag ${dtlsBytes('TLS_PSK_WITH_AES_128_CCM')}`;

/** In the order in which they are asked. */
const decisions: readonly Decision[] = [
  {
    fact: 'sensitiveData',
    question: 'are the data sensitive or regulated (personal, medical, financial)?',
    decidedBy: false,
    mode: 'plain',
    reason: 'nothing that is sent needs protection',
  },
  {
    fact: 'publicKeyInfrastructure',
    question: 'is there a public key infrastructure (an authority, certificates that are renewed)?',
    decidedBy: true,
    mode: 'dtls-certificate',
    reason: 'each device proves who it is with its certificate, and no secret is shared',
  },
  {
    fact: 'keysAtManufacture',
    question: 'can keys be given to devices safely when they are made?',
    decidedBy: false,
    mode: 'key-distribution-first',
    reason: 'every mode needs a key or certificate on the device: find a safe way for these first',
  },
  {
    fact: 'untrustedProxies',
    question: 'do messages pass proxies or gateways that must not read them?',
    decidedBy: true,
    mode: 'oscore',
    reason: 'DTLS ends at each proxy; OSCORE protects from end to end (RFC 8613)',
  },
  {
    fact: 'littleHeadroom',
    question: 'is there room for fewer than 10 bytes more in a message?',
    decidedBy: true,
    mode: 'oscore',
    reason: `OSCORE adds ${oscore.response} to ${range.most} bytes to a message and needs no handshake, DTLS adds ${dtlsBytes()} and more`,
  },
];

/** The mode for a deployment. */
export function adviseSecurity(facts: SecurityQuestion): SecurityAdvice {
  const steps: SecurityStep[] = [];
  for (const { fact, question, decidedBy, mode, reason } of decisions) {
    steps.push({ question, answer: facts[fact] });
    if (facts[fact] === decidedBy) return { mode, steps, reason, warnings: warningsFor(mode, facts) };
  }
  return {
    mode: 'dtls-psk',
    steps,
    reason: `a handshake of some hundred bytes, then ${dtlsBytes()} bytes a message; the usual tools for TLS understand it`,
    warnings: warningsFor('dtls-psk', facts),
  };
}

function warningsFor(mode: SecurityMode, facts: SecurityQuestion): readonly string[] {
  const warnings: string[] = [];
  if (mode === 'plain') {
    warnings.push(
      'encrypt anyway: who can read readings often can write commands too, and data that are harmless today need not stay so',
    );
  }
  if (mode === 'dtls-certificate' && facts.untrustedProxies) {
    warnings.push(
      'certificates protect up to the next proxy only: let devices use OSCORE inside DTLS where a proxy must not read',
    );
  }
  if (mode === 'oscore' && facts.littleHeadroom) {
    warnings.push(
      `OSCORE adds bytes too, ${oscore.response} and more: where fewer than 10 are left, make payloads or paths shorter first`,
    );
  }
  if (facts.deepSleep === true && mode.startsWith('dtls')) {
    warnings.push(
      'a device that sleeps and forgets its association is refused from its second message on: use OSCORE, or keep the association in retained memory',
    );
  }
  return warnings;
}

/** What tells the four modes apart. */
export interface SecurityFactor {
  readonly factor: string;
  readonly plain: string;
  readonly psk: string;
  readonly certificate: string;
  readonly oscore: string;
}

/** Of a handshake with a cookie, as this product's own engine makes it. */
function handshakeBytes(mode: 'dtls-psk' | 'dtls-certificate'): number {
  return handshakePlan({ mode, cookie: true, resumption: false, roundTripMs: 0, radio: stepRadio })
    .handshakeBytes;
}

/** One line for each factor. Bytes are those that this product's own engine sends. */
export const securityFactors: readonly SecurityFactor[] = [
  {
    factor: 'encryption',
    plain: 'none',
    psk: 'AES-128 or AES-256',
    certificate: 'AES-128 or AES-256',
    oscore: 'AES-128, AES-256 or ChaCha20',
  },
  {
    factor: 'authentication',
    plain: 'none',
    psk: 'a key that both have',
    certificate: 'public keys and an authority',
    oscore: 'a secret that both have',
  },
  {
    factor: 'handshake',
    plain: 'none',
    psk: `once, ${handshakeBytes('dtls-psk')} bytes (printed: 360)`,
    certificate: `once, ${handshakeBytes('dtls-certificate')} bytes and more, by the certificates (printed: 2 to 4 kB)`,
    oscore: 'none',
  },
  {
    factor: 'bytes a message',
    plain: '0',
    psk: dtlsFactor,
    certificate: dtlsFactor,
    oscore: `${range.least} to ${range.most} a request, ${oscore.response} a response`,
  },
  {
    factor: 'keys come',
    plain: 'not at all',
    psk: 'by hand, or over a secure channel',
    certificate: 'from the authority',
    oscore: 'at manufacture',
  },
  {
    factor: 'from end to end',
    plain: 'no',
    psk: 'no, each proxy reads',
    certificate: 'no, each proxy reads',
    oscore: 'yes',
  },
  {
    factor: 'a new address',
    plain: 'is no matter',
    psk: 'with a Connection ID, else a handshake',
    certificate: 'with a Connection ID, else a handshake',
    oscore: 'is no matter',
  },
  {
    factor: 'best for',
    plain: 'the laboratory',
    psk: 'constrained networks',
    certificate: 'companies, devices with an identity',
    oscore: 'proxies, and devices that sleep',
  },
];

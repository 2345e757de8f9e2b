/**
 * The cipher suites of the peer, by its own choice: all are offered, the chosen one is taken off the list, and so on until it
 * finds none that it wants.
 *
 * As many handshakes as it has suites, and one more. RFC 9325 §4.1 says which nobody may choose, RFC 7252 §9.1.3 which have to be
 * there.
 *
 * @module
 */

import { cipherSuites } from 'coapsule/dtls';
import { usualExtensions } from './dtls-checks.ts';
import { type Finding, found, rule, type Subject } from './finding.ts';
import { attemptHandshake, outcomeText } from './handshake-attempt.ts';
import type { ProbeCheck, ProbeContext } from './probe-check.ts';
import type { ProbeSteps } from './probe-step.ts';

/** See the module comment. */
export const suiteChecks: readonly ProbeCheck[] = [{ group: 'suites', run: suites }];

type Verdict = 'fine' | 'never' | 'better-not' | 'old';

/** Beside those of this product: what servers in the field still have. */
const otherSuites: readonly (readonly [id: number, name: string, verdict: Verdict])[] = [
  [0xc023, 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'old'],
  [0xc009, 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'old'],
  [0xc027, 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'old'],
  [0xc013, 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'old'],
  [0xc037, 'TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256', 'old'],
  [0x00ae, 'TLS_PSK_WITH_AES_128_CBC_SHA256', 'old'],
  [0x008c, 'TLS_PSK_WITH_AES_128_CBC_SHA', 'old'],
  [0x009c, 'TLS_RSA_WITH_AES_128_GCM_SHA256', 'better-not'],
  [0xc09c, 'TLS_RSA_WITH_AES_128_CCM', 'better-not'],
  [0xc0a0, 'TLS_RSA_WITH_AES_128_CCM_8', 'better-not'],
  [0x002f, 'TLS_RSA_WITH_AES_128_CBC_SHA', 'better-not'],
  [0x00b0, 'TLS_PSK_WITH_NULL_SHA256', 'never'],
  [0x002c, 'TLS_PSK_WITH_NULL_SHA', 'never'],
  [0xc006, 'TLS_ECDHE_ECDSA_WITH_NULL_SHA', 'never'],
  [0x003b, 'TLS_RSA_WITH_NULL_SHA256', 'never'],
  [0xc018, 'TLS_ECDH_anon_WITH_AES_128_CBC_SHA', 'never'],
];

const table: ReadonlyMap<number, { readonly name: string; readonly verdict: Verdict }> = new Map([
  ...cipherSuites.map(({ id, name }) => [id, { name, verdict: 'fine' }] as const),
  ...otherSuites.map(([id, name, verdict]) => [id, { name, verdict }] as const),
]);

const mandatory = {
  psk: 'TLS_PSK_WITH_AES_128_CCM_8',
  ecdsa: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
} as const;

/** The signal for secure renegotiation is not needed: the extension is in the offer. */
function* suites(context: ProbeContext): ProbeSteps<readonly Finding[]> {
  const left = new Set(table.keys());
  const chosen: number[] = [];
  let end = 'nothing is left to offer';
  let isCertain = true;
  while (left.size > 0) {
    const { outcome } = yield* attemptHandshake(context, {
      version: '1.2',
      suites: [...left],
      extensions: usualExtensions,
    });
    if (outcome.kind === 'chosen' && left.delete(outcome.hello.suite)) {
      chosen.push(outcome.hello.suite);
      continue;
    }
    end = outcomeText(outcome);
    isCertain = outcome.kind === 'alert';
    if (outcome.kind === 'chosen') end = `a suite that was not offered: ${suiteText(outcome.hello.suite)}`;
    break;
  }
  if (chosen.length === 0 && !isCertain) {
    return [found({ check: 'suites', title: 'cipher suites', rule: rule(7252, '9.1.3') }, 'unknown', end)];
  }
  return [
    ...chosen.map((id, index) => chosenSuite(id, index)),
    ...[...left].map((id) =>
      found(
        suiteSubject(id),
        isCertain ? 'absent' : 'unknown',
        `offered with the others that are left: ${end}`,
      ),
    ),
    ...mandatorySuites(chosen),
  ];
}

function suiteText(id: number): string {
  return table.get(id)?.name ?? `0x${id.toString(16).padStart(4, '0')}`;
}

function suiteSubject(id: number): Subject {
  const name = suiteText(id);
  const verdict = table.get(id)?.verdict ?? 'fine';
  const level = verdict === 'never' ? 'MUST' : verdict === 'better-not' ? 'SHOULD' : 'MAY';
  return { check: name, title: name, rule: rule(9325, '4.1', level) };
}

function chosenSuite(id: number, index: number): Finding {
  const place = `chosen ${index === 0 ? 'first' : `as number ${index + 1}`}`;
  switch (table.get(id)?.verdict) {
    case 'never':
      return found(
        suiteSubject(id),
        'violates',
        `${place}: it does not encrypt, or proves nobody; nobody may choose it`,
      );
    case 'better-not':
      return found(
        suiteSubject(id),
        'violates',
        `${place}: without forward secrecy, under the RSA key itself`,
      );
    case 'old':
      return found(suiteSubject(id), 'supported', `${place}; CBC: prefer AEAD (RFC 9325 §4.2)`);
    default:
      return found(suiteSubject(id), 'supported', place);
  }
}

/** RFC 7252 §9.1.3.1 and §9.1.3.2: the suites that each mode has to have. */
function mandatorySuites(chosen: readonly number[]): readonly Finding[] {
  const names = chosen.map(suiteText);
  const kinds = [
    ['psk', 'pre-shared keys', '9.1.3.1', /^TLS_PSK_/],
    ['ecdsa', 'public keys', '9.1.3.2', /^TLS_ECDHE_ECDSA_/],
  ] as const;
  return kinds.flatMap(([kind, what, section, pattern]) => {
    if (!names.some((name) => pattern.test(name))) return [];
    const name = mandatory[kind];
    const subject = {
      check: `mandatory-${kind}`,
      title: `the suite that everybody with ${what} has to have`,
      rule: rule(7252, section),
    };
    return [found(subject, names.includes(name) ? 'supported' : 'violates', name)];
  });
}

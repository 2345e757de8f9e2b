/**
 * The `--suite` option: names of cipher suites.
 *
 * @module
 */

import type { CipherSuiteName } from 'coapsule';
import { InvalidArgumentError } from 'commander';

/** The names that OpenSSL and libcoap use, beside those of the IANA registry. */
const suites: Readonly<Record<CipherSuiteName, string>> = {
  TLS_PSK_WITH_AES_128_CCM_8: 'PSK-AES128-CCM8',
  TLS_PSK_WITH_AES_128_CCM: 'PSK-AES128-CCM',
  TLS_PSK_WITH_AES_128_GCM_SHA256: 'PSK-AES128-GCM-SHA256',
  TLS_PSK_WITH_AES_256_CCM_8: 'PSK-AES256-CCM8',
  TLS_PSK_WITH_AES_256_CCM: 'PSK-AES256-CCM',
  TLS_PSK_WITH_AES_256_GCM_SHA384: 'PSK-AES256-GCM-SHA384',
  TLS_PSK_WITH_CHACHA20_POLY1305_SHA256: 'PSK-CHACHA20-POLY1305',
  TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256: 'ECDHE-PSK-AES128-GCM-SHA256',
  TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384: 'ECDHE-PSK-AES256-GCM-SHA384',
  TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256: 'ECDHE-PSK-AES128-CCM8-SHA256',
  TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256: 'ECDHE-PSK-AES128-CCM-SHA256',
  TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-PSK-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 'ECDHE-ECDSA-AES128-CCM8',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 'ECDHE-ECDSA-AES128-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8: 'ECDHE-ECDSA-AES256-CCM8',
  TLS_ECDHE_ECDSA_WITH_AES_256_CCM: 'ECDHE-ECDSA-AES256-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};

/** One more `--suite`: IANA or OpenSSL name, in any case; several with commas. */
export function repeatedSuite(
  text: string,
  before: readonly CipherSuiteName[] = [],
): readonly CipherSuiteName[] {
  return [...before, ...text.split(',').map(suiteNamed)];
}

function suiteNamed(text: string): CipherSuiteName {
  const wanted = text.trim().toUpperCase();
  for (const [name, openSslName] of Object.entries(suites)) {
    if (wanted === name || `TLS_${wanted}` === name || wanted === openSslName) return name as CipherSuiteName;
  }
  throw new InvalidArgumentError(`Known suites: ${Object.keys(suites).join(', ')}.`);
}

/**
 * Lets `--suite` take several words without swallowing the URI: `--suite A B URI` becomes
 * `--suite A --suite B URI` where B is written like the name of a suite.
 */
export function spreadSuites(args: readonly string[]): string[] {
  const spread: string[] = [];
  let inSuites = false;
  for (const [index, argument] of args.entries()) {
    const isFirst = args[index - 1] === '--suite';
    inSuites = argument === '--suite' || isFirst || (inSuites && /^TLS_\w+$/i.test(argument));
    if (inSuites && argument !== '--suite' && !isFirst) spread.push('--suite');
    spread.push(argument);
  }
  return spread;
}

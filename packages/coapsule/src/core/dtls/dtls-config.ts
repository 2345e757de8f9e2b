/**
 * Settings of the DTLS layer, their defaults and limits. Checked once, frozen after.
 *
 * | name | unit | default | allowed | from |
 * |---|---|---|---|---|
 * | suites | | all, in the order below | at least one; order is preference | RFC 7252 §9.1.3.1, RFC 9325 §4.1 |
 * | mtu | bytes of UDP payload | 1232 | 128 … 65507 | RFC 6347 §4.1.1.1, RFC 8200 §5 |
 * | initialTimeoutMs | ms | 1000 | 1 … maxTimeoutMs | RFC 6347 §4.2.4.1 |
 * | maxTimeoutMs | ms | 60000 | up to 2^31 - 1 | RFC 6347 §4.2.4.1 |
 * | handshakeTimeoutMs | ms | 60000 | 1 … | below |
 * | handshakeStallMs | ms | 15000 | 1 … | below |
 * | extendedMasterSecret | | client: required, server: preferred | | RFC 7627 §5.2, §5.3 |
 * | pskIdentityHint | bytes | none | 0 … 1024 | RFC 4279 §5.2 |
 * | maxHandshakes | | 1000 | 1 … | server side |
 * | maxHandshakesPerHost | | a quarter of maxHandshakes, at least 8 | 1 … | server side |
 * | maxAssociations | | 150000 | 1 … | |
 * | idleTimeoutMs | ms | none | 1 … | |
 * | cookieSecretLifetimeMs | ms | 60000 | 1 … | RFC 6347 §4.2.1 |
 * | finalFlightMs | ms | 240000 | 0 … | RFC 6347 §4.2.4: twice the MSL of TCP |
 * | keylog | | false | | |
 *
 * The mandatory TLS_PSK_WITH_AES_128_CCM_8 comes first, then the other suites of plain PSK with AES, which capture
 * tools decrypt with a key log; then those with forward secrecy, which the ones in the field (Wireshark 4.0) do not
 * yet; ChaCha20 last. Whoever wants forward secrecy names its suites first (docs/decisions/010).
 *
 * A handshake may take `handshakeTimeoutMs` in all: with the timers of RFC 6347 that is six transmissions of a
 * flight (0, 1, 3, 7, 15, 31 s). A server gives up sooner, after `handshakeStallMs` without a new message from the
 * client, so that half-open handshakes do not pile up. A client whose server falls silent after our Finished, as
 * some do when the key is wrong, gives up a fifth later: then its transmission at 15 s had the time to be answered.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import type { DurationMs } from '../foundation/instant.ts';
import { type CipherSuite, type CipherSuiteName, cipherSuites, suiteByName } from './cipher-suites.ts';

/** All suites, the preferred first; the module comment says why. */
const preferredSuites: readonly CipherSuiteName[] = [
  'TLS_PSK_WITH_AES_128_CCM_8',
  'TLS_PSK_WITH_AES_128_CCM',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256',
  'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_PSK_WITH_CHACHA20_POLY1305_SHA256',
];

/** Settings as the caller gives them; the table above says what each is. */
export interface DtlsConfig {
  readonly suites: readonly CipherSuiteName[];
  readonly mtu: number;
  readonly initialTimeoutMs: DurationMs;
  readonly maxTimeoutMs: DurationMs;
  readonly handshakeTimeoutMs: DurationMs;
  readonly handshakeStallMs: DurationMs;
  readonly extendedMasterSecret: 'required' | 'preferred';
  readonly pskIdentityHint: Uint8Array;
  readonly maxHandshakes: number;
  readonly maxHandshakesPerHost: number;
  readonly maxAssociations: number;
  readonly idleTimeoutMs: DurationMs;
  readonly cookieSecretLifetimeMs: DurationMs;
  readonly finalFlightMs: DurationMs;
  readonly keylog: boolean;
}

/** Settings after the check. */
export interface CheckedDtlsConfig extends Omit<DtlsConfig, 'suites' | 'extendedMasterSecret'> {
  readonly suites: readonly CipherSuite[];
  /** `undefined` when not set: each role has a default of its own. */
  readonly extendedMasterSecret: 'required' | 'preferred' | undefined;
  readonly pskIdentityHint: Uint8Array;
}

const never = Infinity;

/**
 * Fills in the defaults and checks each value.
 *
 * @throws ApiMisuseError that names the setting, its value and what is allowed.
 */
export function checkDtlsConfig(config: Partial<DtlsConfig> = {}): CheckedDtlsConfig {
  const maxTimeoutMs = number('maxTimeoutMs', config.maxTimeoutMs, 60_000, 1, 2 ** 31 - 1);
  const maxHandshakes = number('maxHandshakes', config.maxHandshakes, 1000, 1);
  return Object.freeze({
    suites: suites(config.suites),
    mtu: number('mtu', config.mtu, 1232, 128, 65_507),
    initialTimeoutMs: number(
      'initialTimeoutMs',
      config.initialTimeoutMs,
      Math.min(1000, maxTimeoutMs),
      1,
      maxTimeoutMs,
    ),
    maxTimeoutMs,
    handshakeTimeoutMs: number('handshakeTimeoutMs', config.handshakeTimeoutMs, 60_000, 1),
    handshakeStallMs: number('handshakeStallMs', config.handshakeStallMs, 15_000, 1),
    extendedMasterSecret: config.extendedMasterSecret,
    pskIdentityHint: hint(config.pskIdentityHint),
    maxHandshakes,
    maxHandshakesPerHost: number(
      'maxHandshakesPerHost',
      config.maxHandshakesPerHost,
      Math.max(8, Math.ceil(maxHandshakes / 4)),
      1,
    ),
    maxAssociations: number('maxAssociations', config.maxAssociations, 150_000, 1),
    idleTimeoutMs: number('idleTimeoutMs', config.idleTimeoutMs, never, 1),
    cookieSecretLifetimeMs: number('cookieSecretLifetimeMs', config.cookieSecretLifetimeMs, 60_000, 1),
    finalFlightMs: number('finalFlightMs', config.finalFlightMs, 240_000, 0),
    keylog: config.keylog ?? false,
  });
}

function number(
  name: string,
  value: number | undefined,
  fallback: number,
  least: number,
  most: number = never,
): number {
  const chosen = value ?? fallback;
  if (chosen >= least && chosen <= most) return chosen;
  throw new ApiMisuseError(`${name}: got ${chosen}, expected ${least} … ${most}`);
}

function suites(names: readonly CipherSuiteName[] = preferredSuites): readonly CipherSuite[] {
  if (names.length === 0) throw new ApiMisuseError('suites: got none, expected at least one');
  return Object.freeze(
    [...new Set(names)].map((name) => {
      const suite = suiteByName(name);
      if (suite !== undefined) return suite;
      const known = cipherSuites.map((one) => one.name).join(', ');
      throw new ApiMisuseError(`suites: got ${name}, expected names out of ${known}`);
    }),
  );
}

/** Most bytes of a hint: it travels in every server flight, and its message must stay under the limits of small peers. */
const maxHintLength = 1024;

function hint(value: Uint8Array | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  if (value.length <= maxHintLength) return value.slice();
  throw new ApiMisuseError(`pskIdentityHint: got ${value.length} bytes, expected at most ${maxHintLength}`);
}

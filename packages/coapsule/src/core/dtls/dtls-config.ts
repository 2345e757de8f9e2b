/**
 * Settings of the DTLS layer, their defaults and limits. Checked once, frozen after.
 *
 * | name | unit | default | allowed | from |
 * |---|---|---|---|---|
 * | suites | | all, in the order below | at least one; order is preference | RFC 7252 §9.1.3.1, RFC 9325 §4.1 |
 * | mtu | bytes of UDP payload | 1232 | 128 … 65507 | RFC 6347 §4.1.1.1, RFC 8200 §5 |
 * | bytesPerSecond | | no limit | what the path carries; timers of flights leave the bytes their time | as RFC 7252 §4.8.1 |
 * | initialTimeoutMs | ms | 1000 | 1 … maxTimeoutMs | RFC 6347 §4.2.4.1 |
 * | maxTimeoutMs | ms | 60000 | up to 2^31 - 1 | RFC 6347 §4.2.4.1 |
 * | handshakeTimeoutMs | ms | 120000 | 1 … | below |
 * | handshakeStallMs | ms | 15000 | 1 … | below |
 * | extendedMasterSecret | | required | or preferred: peers without it are taken too | RFC 7627 §5.2, §5.3 |
 * | pskIdentityHint | bytes | none | 0 … 1024 | RFC 4279 §5.2 |
 * | maxHandshakes | | 1000 | 1 … | server side |
 * | maxHandshakesPerHost | | a quarter of maxHandshakes, at least 8 | 1 … | server side; `network-of.ts` says what a host is |
 * | handshakeRate | per second | 500, and twice as many at once | 1 … | server side; shared by `handshake-rate.ts` |
 * | handshakeRecordsPerTurn | | no limit | 1 … | handshakes leave others their turn; `handshake-turns.ts` |
 * | maxAttemptDelayMs | ms | 60000 | 0 (off) … | server side: RFC 4279 §7.2; `failed-attempts.ts` |
 * | maxAssociations | | 150000 | 1 … | |
 * | idleTimeoutMs | ms | none | 1 … | |
 * | keepAliveMs | ms without anything from the peer | none | 1 … | where we are the client; with role server, all |
 * | keepAssociations | | false | tell the surroundings what to store, so that associations outlive the process | docs/decisions/018 |
 * | cookieSecretLifetimeMs | ms | 60000 | 1 … | RFC 6347 §4.2.1 |
 * | finalFlightMs | ms | 240000 | 0 … | RFC 6347 §4.2.4: twice the MSL of TCP |
 * | keylog | | false | | |
 * | credentials | | PSK only | see `credentials.ts` | RFC 4279, RFC 7250, RFC 5246 §7.4.2 |
 * | clientCredentials | | as credentials | with both roles: what we have where we are the client | RFC 5246 §7.4.6 |
 * | currentCredentials | | `credentials` | server: those that count now, asked at each handshake | |
 * | serverNames | | none | server: credentials by server_name; others get `credentials` | RFC 6066 §3 |
 * | requireServerName | | false | server: refuse a name that is not in `serverNames` (unrecognized_name) | RFC 6066 §3 |
 * | protocols | | none | ALPN names, the preferred first | RFC 7301 |
 * | connectionIdLength | bytes | server 8, client 0 | 0 … 20, or off: not negotiated | RFC 9146 |
 * | connectionIdPrefix | bytes | none | leaves at least 4 random ones | what the own ones begin with, such as the number of a worker |
 * | returnRoutabilityCheck | | true | | RFC 9853 |
 * | maxRecordSize | bytes of plaintext | 16384 | 64 … 16384 | RFC 8449, RFC 6066 §4 |
 * | resumption | | both | off, session-id, ticket, both | RFC 5246 §7.3, RFC 5077 |
 * | maxSessions | | 10000 | 0 … | server: sessions remembered; client: servers remembered |
 * | sessionLifetimeMs | ms | 86400000 | 1 … | RFC 5246 Appendix F.1.4 |
 * | exporter | | false | keep what RFC 5705 needs with each association | RFC 5705 |
 *
 * The mandatory TLS_PSK_WITH_AES_128_CCM_8 comes first, then the other suites of plain PSK with AES, which capture
 * tools decrypt with a key log; then those with forward secrecy, which the ones in the field (Wireshark 4.0) do not
 * yet; ChaCha20 last. Whoever wants forward secrecy names its suites first (docs/decisions/010).
 *
 * A handshake may take `handshakeTimeoutMs` in all: with the timers of RFC 6347 that is seven transmissions of a
 * flight (0, 1, 3, 7, 15, 31, 63 s). On a slow line the datagrams themselves take time: with `bytesPerSecond` the timer of
 * a flight begins when its last byte has left, leaves the answer its first datagram, and with each part of the answer the
 * next one; what carries them sets the times for the whole accordingly. A server with more than half of `maxHandshakes` under way gives up sooner, after
 * `handshakeStallMs` without a new message from the client, so that half-open handshakes do not pile up. A client whose
 * server falls silent after our Finished, as some do when the pre-shared key is wrong, gives up after 2.4 times as long:
 * then its transmission at 31 s had the time to be answered; after twice that where datagrams were lost before.
 *
 * @module
 */

import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { DurationMs } from '../foundation/instant.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import { type CipherSuite, type CipherSuiteName, cipherSuites, suiteByName } from './cipher-suites.ts';
import type { EndpointCredentials } from './credentials.ts';

/** All suites, the preferred first; the module comment says why. */
const preferredSuites: readonly CipherSuiteName[] = [
  'TLS_PSK_WITH_AES_128_CCM_8',
  'TLS_PSK_WITH_AES_128_CCM',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_PSK_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8',
  'TLS_ECDHE_ECDSA_WITH_AES_256_CCM',
  'TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384',
  'TLS_PSK_WITH_AES_256_GCM_SHA384',
  'TLS_PSK_WITH_AES_256_CCM_8',
  'TLS_PSK_WITH_AES_256_CCM',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
];

/** Settings as the caller gives them; the table above says what each is. */
export interface DtlsConfig {
  readonly suites: readonly CipherSuiteName[];
  readonly mtu: number;
  /** What the path carries in each direction, where that is so slow that it counts, as a serial line. */
  readonly bytesPerSecond: number;
  readonly initialTimeoutMs: DurationMs;
  readonly maxTimeoutMs: DurationMs;
  readonly handshakeTimeoutMs: DurationMs;
  readonly handshakeStallMs: DurationMs;
  readonly extendedMasterSecret: 'required' | 'preferred';
  readonly pskIdentityHint: Uint8Array;
  readonly maxHandshakes: number;
  readonly maxHandshakesPerHost: number;
  readonly handshakeRate: number;
  readonly handshakeRecordsPerTurn: number;
  readonly maxAttemptDelayMs: DurationMs;
  readonly maxAssociations: number;
  readonly idleTimeoutMs: DurationMs;
  readonly keepAliveMs: DurationMs;
  readonly keepAssociations: boolean;
  readonly cookieSecretLifetimeMs: DurationMs;
  readonly finalFlightMs: DurationMs;
  readonly keylog: boolean;
  readonly credentials: EndpointCredentials;
  readonly currentCredentials: () => EndpointCredentials;
  readonly clientCredentials: EndpointCredentials;
  readonly serverNames: ReadonlyMap<string, EndpointCredentials>;
  readonly requireServerName: boolean;
  readonly protocols: readonly string[];
  /** `'off'`: the extension is neither sent nor answered. */
  readonly connectionIdLength: number | 'off';
  readonly connectionIdPrefix: Uint8Array;
  readonly returnRoutabilityCheck: boolean;
  readonly maxRecordSize: number;
  readonly resumption: 'off' | 'session-id' | 'ticket' | 'both';
  readonly maxSessions: number;
  readonly sessionLifetimeMs: DurationMs;
  readonly exporter: boolean;
}

/** Settings after the check. */
export interface CheckedDtlsConfig
  extends Omit<
    DtlsConfig,
    'suites' | 'extendedMasterSecret' | 'connectionIdLength' | 'credentials' | 'currentCredentials'
  > {
  /** Those that count now: take them once for a handshake. */
  readonly credentials: EndpointCredentials;
  readonly suites: readonly CipherSuite[];
  /** `undefined` when not set: each role has a default of its own. */
  readonly extendedMasterSecret: 'required' | 'preferred' | undefined;
  readonly pskIdentityHint: Uint8Array;
  /** `undefined` when not set: each role has a default of its own. */
  readonly connectionIdLength: number | 'off' | undefined;
}

const pskOnly: EndpointCredentials = { psk: true, peerTypes: [], clientAuthentication: 'none' };

const never = Infinity;

/**
 * Fills in the defaults and checks each value.
 *
 * @throws ApiMisuseError that names the setting, its value and what is allowed.
 */
export function checkDtlsConfig(config: Partial<DtlsConfig> = {}): CheckedDtlsConfig {
  const maxTimeoutMs = number('maxTimeoutMs', config.maxTimeoutMs, 60_000, 1, 2 ** 31 - 1);
  const credentials = Object.freeze(config.credentials ?? pskOnly);
  const { currentCredentials = () => credentials } = config;
  const maxHandshakes = number('maxHandshakes', config.maxHandshakes, 1000, 1);
  return Object.freeze({
    suites: suites(config.suites),
    mtu: number('mtu', config.mtu, 1232, 128, 65_507),
    bytesPerSecond: number('bytesPerSecond', config.bytesPerSecond, never, 1),
    initialTimeoutMs: number(
      'initialTimeoutMs',
      config.initialTimeoutMs,
      Math.min(1000, maxTimeoutMs),
      1,
      maxTimeoutMs,
    ),
    maxTimeoutMs,
    handshakeTimeoutMs: number('handshakeTimeoutMs', config.handshakeTimeoutMs, 120_000, 1),
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
    handshakeRate: number('handshakeRate', config.handshakeRate, 500, 1),
    handshakeRecordsPerTurn: number('handshakeRecordsPerTurn', config.handshakeRecordsPerTurn, never, 1),
    maxAttemptDelayMs: number('maxAttemptDelayMs', config.maxAttemptDelayMs, 60_000, 0),
    maxAssociations: number('maxAssociations', config.maxAssociations, 150_000, 1),
    idleTimeoutMs: number('idleTimeoutMs', config.idleTimeoutMs, never, 1),
    keepAliveMs: number('keepAliveMs', config.keepAliveMs, never, 1),
    keepAssociations: config.keepAssociations ?? false,
    cookieSecretLifetimeMs: number('cookieSecretLifetimeMs', config.cookieSecretLifetimeMs, 60_000, 1),
    finalFlightMs: number('finalFlightMs', config.finalFlightMs, 240_000, 0),
    keylog: config.keylog ?? false,
    get credentials(): EndpointCredentials {
      return currentCredentials();
    },
    clientCredentials: Object.freeze(config.clientCredentials ?? credentials),
    serverNames: new Map(
      [...(config.serverNames ?? [])].map(([name, credentials]) => [name.toLowerCase(), credentials]),
    ),
    requireServerName: config.requireServerName ?? false,
    protocols: protocols(config.protocols),
    connectionIdLength:
      typeof config.connectionIdLength === 'number'
        ? number('connectionIdLength', config.connectionIdLength, 0, 0, 20)
        : config.connectionIdLength,
    connectionIdPrefix: config.connectionIdPrefix ?? noBytes,
    returnRoutabilityCheck: config.returnRoutabilityCheck ?? true,
    maxRecordSize: number('maxRecordSize', config.maxRecordSize, 16_384, 64, 16_384),
    resumption: config.resumption ?? 'both',
    maxSessions: number('maxSessions', config.maxSessions, 10_000, 0),
    sessionLifetimeMs: number('sessionLifetimeMs', config.sessionLifetimeMs, 86_400_000, 1),
    exporter: config.exporter ?? false,
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

function protocols(names: readonly string[] = []): readonly string[] {
  for (const name of names) {
    const { length } = encodeUtf8(name);
    if (length < 1 || length > 255) {
      throw new ApiMisuseError(`protocols: got '${name}', expected names of 1 … 255 bytes`);
    }
  }
  return Object.freeze([...names]);
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

/**
 * The values of the options of `coapsule serve`: text to meaning, or a sentence that says what is wrong.
 *
 * Pure; the command itself is cli/serve.ts.
 */
import { isIP } from 'node:net';

/** The schemes over reliable transports (RFC 8323 §8). */
export type StreamScheme = 'coap+tcp' | 'coaps+tcp' | 'coap+ws' | 'coaps+ws';

/** The schemes that the gateway serves. */
export type EndpointScheme = 'coap' | 'coaps' | StreamScheme;

/** What the `ready` line and the options of `serve` call an endpoint. */
export type EndpointName = 'coap' | 'coaps' | 'tcp' | 'tls' | 'ws' | 'wss';

export const endpointNames: Readonly<Record<EndpointScheme, EndpointName>> = {
  coap: 'coap',
  coaps: 'coaps',
  'coap+tcp': 'tcp',
  'coaps+tcp': 'tls',
  'coap+ws': 'ws',
  'coaps+ws': 'wss',
};

/** Forms of the log. */
export const logFormats = ['text', 'json'] as const;

/** See `logFormats`. */
export type LogFormat = (typeof logFormats)[number];

/** Smallest and largest values of options that are whole numbers, on the command line and in the file. */
export const optionBounds: Readonly<
  Record<
    | 'keep'
    | 'maxDelay'
    | 'maxObservers'
    | 'maxPaths'
    | 'maxSessions'
    | 'maxRate'
    | 'mqttQos'
    | 'mqttShare'
    | 'redisGrace'
    | 'serialMtu'
    | 'sleepyAwake'
    | 'sleepyWait'
    | 'sleepyLifetime'
    | 'sleepyQueue'
    | 'sleepyMaxAge'
    | 'verbose'
    | 'workers',
    readonly [smallest: number, largest: number]
  >
> = {
  keep: [0, 1_000_000_000],
  maxDelay: [0, 3_600_000],
  maxObservers: [0, 1_000_000],
  maxPaths: [1, 1_000_000],
  maxSessions: [1, 10_000_000],
  maxRate: [0, 1_000_000],
  mqttQos: [0, 2],
  mqttShare: [1, 100],
  redisGrace: [1, 500],
  serialMtu: [128, 32_767],
  sleepyAwake: [1, 3600],
  // A client waits as long as a response may take: MAX_TRANSMIT_WAIT is 93 seconds (RFC 7252 §4.8.2).
  sleepyWait: [0, 90],
  sleepyLifetime: [1, 31_536_000],
  sleepyQueue: [1, 1000],
  sleepyMaxAge: [0, 31_536_000],
  verbose: [0, 3],
  workers: [1, 255],
};

/** Where an endpoint listens. */
export interface EndpointAddress {
  /** IP literal without brackets; `::` when none was given, which is `0.0.0.0` where there is no IPv6. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** A port alone as one of this machine alone; other texts as they are. */
export function localPort(text: string): string {
  return /^\d+$/.test(text) ? `127.0.0.1:${text}` : text;
}

/** Parse `[HOST:]PORT` or `off`; an IPv6 address stands in brackets. */
export function parseEndpoint(text: string): EndpointAddress | 'off' | { readonly problem: string } {
  if (text === 'off') return 'off';
  const match = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    return { problem: 'give [HOST:]PORT with a port from 0 to 65535, such as 5683 or [::1]:5683, or off' };
  }
  if (match[1] === undefined) return { host: '::', port };
  const host = match[1].startsWith('[') ? match[1].slice(1, -1) : match[1];
  if (host === 'localhost') return { host: '127.0.0.1', port };
  if (isIP(host) === 0) {
    return { problem: `"${host}" is no IP address; use one of this machine, or [::] for all` };
  }
  return { host, port };
}

/** An identity with its key. */
export interface PskEntry {
  /** `*` means any identity. */
  readonly identity: string;
  readonly key: Uint8Array;
}

/** Parse `ID:KEY` at the first colon; KEY is text, or hex with a leading `0x`. The problem never shows the key. */
export function parsePsk(
  text: string,
  keyOf: (text: string) => Uint8Array,
): PskEntry | { readonly problem: string } {
  const colon = text.indexOf(':');
  if (colon < 1) return { problem: 'give ID:KEY; for any identity "*:KEY"' };
  const identity = text.slice(0, colon);
  const problem = pskIdentityProblem(identity);
  if (problem !== undefined) return { problem };
  try {
    return { identity, key: keyOf(text.slice(colon + 1)) };
  } catch {
    return { problem: `the key of "${identity}" is empty, or not pairs of hexadecimal digits after 0x` };
  }
}

/** What is wrong with a PSK identity, or undefined. */
export function pskIdentityProblem(identity: string): string | undefined {
  const length = new TextEncoder().encode(identity).length;
  if (length < 1 || length > 128) {
    return `an identity has 1 to 128 bytes (RFC 4279 §5.3), this one ${length}`;
  }
  if (/\p{Cc}/u.test(identity)) return 'an identity has no control characters';
  // Identities that are not text are named by their bytes in this form.
  if (identity.startsWith('0x'))
    return 'an identity that begins with 0x could be mistaken for one given in bytes';
  return undefined;
}

/** What is wrong with a device id, or undefined. It becomes a path segment of its own: `/sensors/ID`. */
export function deviceIdProblem(id: string): string | undefined {
  const length = new TextEncoder().encode(id).length;
  if (length < 1 || length > 128) return `the id has ${length} bytes; 1 to 128 are possible (RFC 4279 §5.3)`;
  if (id === '*') return 'the id * means any identity and cannot be a device';
  if (id === '.' || id === '..') return `the id ${id} has a meaning of its own in a path`;
  if (id.includes('/')) return 'the id has a /, which separates the segments of a path';
  return pskIdentityProblem(id);
}

/** Fits into one handshake message without fragments on most paths. */
const maxHintBytes = 1024;

/** What is wrong with a PSK identity hint, or undefined. */
export function hintProblem(hint: string): string | undefined {
  return new TextEncoder().encode(hint).length > maxHintBytes
    ? `has more than ${maxHintBytes} bytes; it is sent to every client`
    : undefined;
}

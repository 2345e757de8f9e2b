/**
 * The settings of one connection over a reliable transport, with their defaults.
 *
 * | name | unit | default | allowed | RFC |
 * |---|---|---|---|---|
 * | maxMessageSize | bytes | 15,872: 15 KiB in blocks, and 512 for header and options | 64 … 2^32 - 1 | 8323 §5.3.1 |
 * | maxTokenLength | bytes | 64 | 8 … 65,804 | 8974 §2.2.1 |
 * | csmTimeoutMs | ms | 10,000 | > 0 | 8323 §3.3 |
 * | messageTimeoutMs | ms from the first byte of a message to its last | 60,000 | > 0 | – |
 * | stallTimeoutMs | ms in which a full transport takes nothing | 60,000 | > 0 | – |
 * | pongTimeoutMs | ms | 20,000 | > 0 | 8323 §5.4 |
 * | releaseTimeoutMs | ms | 5,000 | > 0 | 8323 §5.5 |
 * | keepAliveMs | ms without anything from the peer | never | > 0 | 8323 §5.4 |
 * | idleTimeoutMs | ms without anything from the peer | never | > 0 | 8323 §3 |
 * | trace | boolean | false | – | – |
 *
 * @module
 */

import { maxExtendedTokenLength } from '../coap/signaling.ts';
import { ApiMisuseError } from '../foundation/errors.ts';

/** See the table in the module comment. */
export interface ConnectionConfig {
  /** Largest message that is taken, and announced; also the most that is kept of an unfinished one. */
  readonly maxMessageSize: number;
  /** Longest token of a request that is taken, and announced. */
  readonly maxTokenLength: number;
  /** How long the peer's first CSM may take. */
  readonly csmTimeoutMs: number;
  /** A peer that sends a message slower than this is not waited for: it would hold memory as long as it likes. */
  readonly messageTimeoutMs: number;
  /** A peer that takes nothing of what waits for it for so long is not waited for: what waits is held in memory. */
  readonly stallTimeoutMs: number;
  /** Patience for the Pong that answers a Ping. */
  readonly pongTimeoutMs: number;
  /** How long the peer may take to close the connection after our Release. */
  readonly releaseTimeoutMs: number;
  /** A Ping asks a peer that was silent for so long whether it is there. */
  readonly keepAliveMs: number | undefined;
  /** The connection to a peer that was silent for so long is released. */
  readonly idleTimeoutMs: number | undefined;
  /** Whether received signaling messages come out, to be told. */
  readonly trace: boolean;
}

/**
 * Blocks of 15 KiB, and 512 bytes for header and options (RFC 8323 §5.3.2): a message fits into one TLS record of 2^14 bytes
 * (RFC 8446 §5.1). A message of 16,399 bytes never came whole from libcoap 4.3.1 with GnuTLS, as it did with OpenSSL.
 */
export const defaultMaxMessageSize: number = 15 * 1024 + 512;

const defaults: ConnectionConfig = {
  maxMessageSize: defaultMaxMessageSize,
  maxTokenLength: 64,
  csmTimeoutMs: 10_000,
  messageTimeoutMs: 60_000,
  stallTimeoutMs: 60_000,
  pongTimeoutMs: 20_000,
  releaseTimeoutMs: 5_000,
  keepAliveMs: undefined,
  idleTimeoutMs: undefined,
  trace: false,
};

const bounds: Readonly<Partial<Record<keyof ConnectionConfig, readonly [number, number]>>> = {
  maxMessageSize: [64, 2 ** 32 - 1],
  maxTokenLength: [8, maxExtendedTokenLength],
};

/** The defaults with `changes` applied, checked and frozen. Throws `ApiMisuseError` for a value out of range. */
export function connectionConfig(changes: Partial<ConnectionConfig> = {}): ConnectionConfig {
  const config = Object.freeze({ ...defaults, ...changes });
  for (const [name, value] of Object.entries(config)) {
    if (typeof value !== 'number') continue;
    const [least, most] = bounds[name as keyof ConnectionConfig] ?? [Number.MIN_VALUE, Infinity];
    if (!(value >= least && value <= most)) {
      const expected = most === Infinity ? 'more than 0' : `${least} to ${most}`;
      throw new ApiMisuseError(`${name} is ${value}; expected ${expected}`);
    }
  }
  return config;
}

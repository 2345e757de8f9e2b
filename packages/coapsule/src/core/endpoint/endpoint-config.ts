/**
 * The configuration of one endpoint: what each layer takes, put together, checked once and frozen.
 *
 * | name | unit | default | RFC |
 * |---|---|---|---|
 * | security | `none` or `dtls` | none | 7252 §9 |
 * | role | `client`, `server`, `both` (docs/decisions/020) | both | 6347 |
 * | mtu | bytes of UDP payload | 1232 (IPv6 minimum of 1280 less 48) | 7252 §4.6 |
 * | bytesPerSecond | | no limit | what the path carries, where that is so slow that timers must leave bytes their time | 7252 §4.8.1 |
 * | blockSize | bytes, 16 … 1024, a power of two | the largest that fits the mtu | 7959 §2.2 |
 * | transmission | table of its own | RFC 7252 §4.8 | 7252 §4.8 |
 * | congestionControl | `rfc7252` or `cocoa` | rfc7252 | 7252 §4.7 |
 * | nstartFor | address → requests under way | `transmission.nstart` | 7252 §4.7 |
 * | dtls | table in `dtls/dtls-config.ts`, with idleTimeoutMs and keepAliveMs | its defaults | 6347 |
 * | share | `all`, or of two endpoints that are one to their peers, `oscore` or `all-but-oscore` (`peer-share.ts`) | all | 8613 |
 * | groups | whether requests go to groups: then all peers share one Message ID space | false | 7252 §8.1 |
 * | maxPlainPeers | peers, addresses under the amplification limit, and pings to these | 65,536 | – |
 * | maxTokenLength | bytes, 8 … 65,804; above 8 extended tokens are spoken | 8 | 8974 §2 |
 * | dangerouslyUnlimitedAmplification | boolean: whoever asks gets any answer, wherever it goes | false | 7252 §11.3, 9175 §2.6 |
 * | trace | boolean | false | – |
 *
 * @module
 */

import { maxExtendedTokenLength } from '../coap/signaling.ts';
import { baseTokenLength } from '../coap/token-length.ts';
import { type TransmissionParameters, transmissionParameters } from '../coap/transmission-parameters.ts';
import type { DtlsConfig } from '../dtls/dtls-config.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { CongestionControlName, LineRate, MessageLayerLimits } from '../message-layer/message-layer.ts';
import {
  type RequestResponseConfig,
  requestResponseTimes,
} from '../request-response/request-response-config.ts';
import type { PeerShare } from './peer-share.ts';

/** See the table in the module comment. */
export interface EndpointConfig {
  readonly security: 'none' | 'dtls';
  readonly role: 'client' | 'server' | 'both';
  readonly mtu: number;
  readonly bytesPerSecond: number;
  readonly blockSize: number;
  readonly transmission: TransmissionParameters;
  readonly congestionControl: CongestionControlName;
  /** NSTART for one peer; `undefined` leaves it to `transmission`. */
  readonly nstartFor: (address: PeerAddress) => number | undefined;
  readonly dtls: Partial<DtlsConfig>;
  readonly messageLimits: Partial<MessageLayerLimits>;
  readonly requestResponse: Partial<RequestResponseConfig>;
  readonly share: PeerShare;
  readonly groups: boolean;
  readonly maxPlainPeers: number;
  readonly maxTokenLength: number;
  readonly dangerouslyUnlimitedAmplification: boolean;
  readonly trace: boolean;
}

/** What a caller may give; `transmission` is laid over the defaults of RFC 7252 §4.8. */
export type EndpointConfigInput = Partial<Omit<EndpointConfig, 'transmission'>> & {
  readonly transmission?: Partial<TransmissionParameters>;
};

/** RFC 7959 §2.2, the largest first. */
export const blockSizes = [1024, 512, 256, 128, 64, 32, 16] as const;

/** Largest record expansion of the suites: 13 header + 8 explicit nonce + 16 tag (RFC 5246 §6.2.3.3). */
export const dtlsOverhead = 37;

/** Room kept in a record, or in a datagram without one, for the CoAP header, an 8-byte token, and the options of a usual request. */
export const messageOverhead = 80;

/** Fills in defaults and refuses values that cannot work. */
export function endpointConfig(input: EndpointConfigInput): EndpointConfig {
  const security = input.security ?? 'none';
  const mtu = input.mtu ?? 1232;
  if (!Number.isInteger(mtu) || mtu < 128 || mtu > 65_507) {
    throw new ApiMisuseError(`mtu is ${mtu}; expected 128 to 65507 bytes of UDP payload`);
  }
  const bytesPerSecond = input.bytesPerSecond ?? Infinity;
  if (!(bytesPerSecond >= 1)) {
    throw new ApiMisuseError(`bytesPerSecond is ${bytesPerSecond}; expected 1 or more`);
  }
  const room = mtu - messageOverhead - (security === 'dtls' ? dtlsOverhead : 0);
  const fitting = blockSizes.find((size) => size <= room) ?? 16;
  const blockSize = input.blockSize ?? fitting;
  if (!(blockSizes as readonly number[]).includes(blockSize)) {
    throw new ApiMisuseError(
      `blockSize is ${blockSize}; expected one of ${blockSizes.join(', ')} (RFC 7959 §2.2)`,
    );
  }
  if (input.groups && security !== 'none') {
    throw new ApiMisuseError('groups is true with DTLS, which has no multicast (RFC 7252 §8.1)');
  }
  const maxTokenLength = input.maxTokenLength ?? baseTokenLength;
  if (!Number.isInteger(maxTokenLength) || maxTokenLength < 8 || maxTokenLength > maxExtendedTokenLength) {
    throw new ApiMisuseError(
      `maxTokenLength is ${maxTokenLength}; expected 8 to ${maxExtendedTokenLength} bytes (RFC 8974 §2.2.1)`,
    );
  }
  const transmission = transmissionParameters(input.transmission);
  const congestionControl = input.congestionControl ?? 'rfc7252';
  if (congestionControl !== 'rfc7252' && congestionControl !== 'cocoa') {
    throw new ApiMisuseError(`congestionControl is '${congestionControl}'; expected 'rfc7252' or 'cocoa'`);
  }
  return Object.freeze({
    security,
    role: input.role ?? 'both',
    mtu,
    bytesPerSecond,
    blockSize,
    transmission,
    congestionControl,
    nstartFor: input.nstartFor ?? (() => undefined),
    dtls: { ...input.dtls, mtu, bytesPerSecond },
    messageLimits: input.messageLimits ?? {},
    requestResponse: {
      ...requestResponseTimes(transmission),
      ...input.requestResponse,
      maxTokenLength,
      blockSize,
    },
    share: input.share ?? 'all',
    groups: input.groups ?? false,
    maxPlainPeers: input.maxPlainPeers ?? 65_536,
    maxTokenLength,
    dangerouslyUnlimitedAmplification: input.dangerouslyUnlimitedAmplification ?? false,
    trace: input.trace ?? false,
  });
}

/** Bytes that framing adds to a packet of usual content: delimiters, check sequence, some escapes. */
const usualFraming = 16;

/** What the line of an endpoint carries, when it is slow. */
export function lineRate({ bytesPerSecond, mtu, security }: EndpointConfig): LineRate | undefined {
  if (bytesPerSecond === Infinity) return undefined;
  const overheadBytes = usualFraming + (security === 'dtls' ? dtlsOverhead : 0);
  return { bytesPerSecond, overheadBytes, answerBytes: mtu + usualFraming };
}

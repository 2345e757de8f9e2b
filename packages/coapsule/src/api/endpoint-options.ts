/**
 * Options that clients and servers have in common.
 *
 * @module
 */

import {
  blockSizeForLink,
  type LinkProfileName,
  linkProfileNames,
  linkProfiles,
} from '../core/coap/link-profile.ts';
import { type TransmissionParameters, transmissionParameters } from '../core/coap/transmission-parameters.ts';
import { type CoapScheme, isSecureScheme, transportOf } from '../core/coap/uri.ts';
import { type CipherSuiteName, suiteByName } from '../core/dtls/cipher-suites.ts';
import type { DtlsConfig } from '../core/dtls/dtls-config.ts';
import type { EndpointConfigInput } from '../core/endpoint/endpoint-config.ts';
import type { StreamConfigInput } from '../core/endpoint/stream-config.ts';
import type { TraceEvent } from '../core/endpoint/trace-event.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { requestResponseTimes } from '../core/request-response/request-response-config.ts';
import type { CapturedDatagram } from '../node/driver.ts';
import type { OptionNames } from './known-options.ts';
import type { SerialOptions } from './serial-options.ts';

/** Options of `Client`, `Server` and `Server.listen`. */
export interface EndpointOptions {
  /** Gets each line of the TLS key log (`CLIENT_RANDOM …`). Whoever has it can decrypt: for debugging only. */
  readonly keylog?: (line: string) => void;
  /** Gets each datagram as it is on the wire, and over `coap+tcp` each piece of the stream; not over TLS and WebSocket. */
  readonly capture?: (datagram: CapturedDatagram) => void;
  /** Gets what happens inside: messages, retransmissions, handshakes, what was dropped and why. */
  readonly trace?: (event: TraceEvent) => void;
  /** Times and limits of RFC 7252 §4.8. */
  readonly transmission?: Partial<TransmissionParameters>;
  /**
   * How long to wait before a message is sent again, and how much more after that (RFC 7252 §4.7): `rfc7252`, the
   * default, takes the times of §4.8 for every peer; `cocoa` learns the round trip of each, which NSTART above 1 and an
   * ACK_TIMEOUT below a second ask for (§4.8.1).
   */
  readonly congestionControl?: 'rfc7252' | 'cocoa';
  /** NSTART, how many requests may be under way at once (§4.7), for one peer; `undefined` leaves it to `transmission`. */
  readonly nstartFor?: (peer: { readonly host: string; readonly port: number }) => number | undefined;
  /**
   * The link to the peers: `mtu` and `blockSize` follow from what it carries, unless they are given. A body that fits one
   * message goes in one, a larger one in blocks.
   */
  readonly linkProfile?: LinkProfileName;
  /** Gets what is worth a second thought, such as a payload that is large for the link. */
  readonly onWarning?: (warning: EndpointWarning) => void;
  /** Largest UDP payload in bytes; 1232 by default. That of serial lines is `serial.mtu`. */
  readonly mtu?: number;
  /**
   * Longest token, 8 … 65804 bytes; 8 by default over UDP and DTLS, 64 over TCP, TLS and WebSocket, where peers are told.
   * Above 8, extended tokens (RFC 8974) are spoken: a server echoes those of its clients, which keep their state there, and
   * holds up to so many bytes for each request.
   */
  readonly maxTokenLength?: number;
  /** 16 … 1024; by default the largest that fits the MTU (RFC 7959 §2.2). */
  readonly blockSize?: number;
  /** Cipher suites in order of preference. TLS takes those of them that Node.js has, and speaks version 1.2 then. */
  readonly suites?: readonly CipherSuiteName[];
  /** RFC 7627. Required by default, on both sides; `preferred` takes peers without it too. */
  readonly extendedMasterSecret?: 'required' | 'preferred';
  /** Application protocols to agree on (ALPN, RFC 7301), the preferred first; `coap` is the registered one for CoAP. */
  readonly protocols?: readonly string[];
  /**
   * Length of the connection ids that peers put in their records to us (RFC 9146), 0 … 20 bytes: they find their
   * association when their address changes. 8 for a server and 0 for a client by default; `off` does not speak it.
   */
  readonly connectionId?: number | 'off';
  /** Largest content of one record, 64 … 16384 bytes (RFC 8449, RFC 6066 §4): what a small device has room for. */
  readonly maxRecordSize?: number;
  /** Whether sessions may go on in a later handshake: by id (RFC 5246 §7.3), ticket (RFC 5077), both (default) or not. */
  readonly resumption?: 'off' | 'session-id' | 'ticket' | 'both';
  /**
   * Time for a whole handshake in milliseconds; 120000 by default. On a slow line what is sent takes time itself: give
   * more there.
   */
  readonly handshakeTimeoutMs?: number;
  /** Ends an association from whose peer nothing came for so many milliseconds, with close_notify; never by default. */
  readonly idleTimeoutMs?: number;
  /**
   * Asks a peer for a sign of life (a CoAP ping) after so many milliseconds without anything from it; never by default.
   * One that does not answer has its association closed, and the next request, or an observation that is active, makes
   * a new one.
   */
  readonly keepAliveMs?: number;
  /**
   * DTLS associations that are held at a time; 150,000 by default. When there are more, the one that is dispensable most gives way: those
   * first that have done nothing for long.
   */
  readonly maxAssociations?: number;
  /**
   * Largest message taken over TCP, TLS and WebSocket, in bytes, which peers are told (RFC 8323 §5.3.1); 15,872 by
   * default: larger bodies come in blocks of 15 KiB (BERT, §6), or of what the peer takes. With 1152 and less, blocks have
   * 1024 bytes at most.
   */
  readonly maxMessageSize?: number;
  /**
   * Over TCP, TLS and WebSocket: ends a connection whose peer takes nothing of what waits for it for so many milliseconds;
   * 60,000 by default.
   */
  readonly stallTimeoutMs?: number;
  /** Serial lines, of `coap+serial` and `coaps+serial`: framing, mtu, buffers, what they tell (docs/serial-lines.md). */
  readonly serial?: SerialOptions;
  /** Share of datagrams dropped on purpose, both ways, 0 … 1: a test aid, for UDP, DTLS and serial lines. */
  readonly lossRate?: number;
  /**
   * Share of datagrams that are sent twice on purpose, 0 … 1: a test aid, for UDP, DTLS and serial lines. The peer
   * has to take the message once (RFC 7252 §4.5); over DTLS it is the record that is taken once (RFC 6347 §4.1.2.6).
   */
  readonly duplicateRate?: number;
}

/** The names of `EndpointOptions`, to be spread into those of a type that extends it. */
export const endpointOptionNames: OptionNames<Required<EndpointOptions>> = {
  keylog: true,
  capture: true,
  trace: true,
  transmission: true,
  congestionControl: true,
  nstartFor: true,
  linkProfile: true,
  onWarning: true,
  mtu: true,
  maxTokenLength: true,
  blockSize: true,
  suites: true,
  extendedMasterSecret: true,
  protocols: true,
  connectionId: true,
  maxRecordSize: true,
  resumption: true,
  handshakeTimeoutMs: true,
  idleTimeoutMs: true,
  keepAliveMs: true,
  maxAssociations: true,
  maxMessageSize: true,
  stallTimeoutMs: true,
  serial: true,
  lossRate: true,
  duplicateRate: true,
};

/** Something that works, and should be looked at. */
export interface EndpointWarning {
  readonly kind: 'payload-size';
  /** For people: what, and what to do. */
  readonly message: string;
  readonly payloadBytes: number;
  readonly advisedBytes: number;
}

/** Warns of a payload that is large for the link. */
export function warnOfPayload(
  { linkProfile, onWarning }: EndpointOptions,
  payloadBytes: number,
  of: string,
): void {
  if (linkProfile === undefined || onWarning === undefined) return;
  const advisedBytes = linkProfiles[linkProfile].advisedPayloadBytes;
  if (payloadBytes <= advisedBytes) return;
  const message = `${of} has ${payloadBytes} bytes; on ${linkProfile} payloads of at most ${advisedBytes} arrive best: send less, or less often`;
  onWarning({ kind: 'payload-size', message, payloadBytes, advisedBytes });
}

/**
 * The core's configuration for these options.
 *
 * @param line What a serial line takes, in the place of what a network does.
 */
export function coreConfig(
  options: EndpointOptions,
  security: 'none' | 'dtls',
  role: 'client' | 'server' | 'both',
  line?: LineConfig,
): EndpointConfigInput {
  for (const name of ['lossRate', 'duplicateRate'] as const) {
    const rate = options[name];
    if (rate !== undefined && !(rate >= 0 && rate <= 1)) {
      throw new ApiMisuseError(`${name} is ${rate}; expected 0 to 1`);
    }
  }
  return {
    security,
    role,
    ...(line ?? networkConfig(options, security)),
    ...(options.maxTokenLength === undefined ? {} : { maxTokenLength: options.maxTokenLength }),
    ...(options.blockSize === undefined ? {} : { blockSize: options.blockSize }),
    ...(options.transmission === undefined ? {} : { transmission: options.transmission }),
    ...(options.congestionControl === undefined ? {} : { congestionControl: options.congestionControl }),
    ...(options.nstartFor === undefined ? {} : { nstartFor: options.nstartFor }),
    // The address of a line never changes: connection ids would be bytes for nothing there.
    dtls: dtlsConfig(line === undefined ? options : { connectionId: 'off', ...options }),
    trace: options.trace !== undefined,
  };
}

const datagramAids = [
  ['lossRate', 'drops'],
  ['duplicateRate', 'repeats'],
] as const;

/** The core's configuration of an endpoint over TCP, TLS or WebSocket for these options. */
export function streamCoreConfig(
  options: EndpointOptions,
  scheme: CoapScheme,
  role: 'client' | 'server',
): StreamConfigInput {
  const { blockSize, keepAliveMs, idleTimeoutMs, maxMessageSize, maxTokenLength, stallTimeoutMs } = options;
  for (const [name, does] of datagramAids) {
    if ((options[name] ?? 0) !== 0) {
      throw new ApiMisuseError(
        `${name} ${does} datagrams, and ${scheme} has none: a connection loses nothing; leave it out`,
      );
    }
  }
  if (options.capture !== undefined && scheme !== 'coap+tcp') {
    throw new ApiMisuseError(
      `capture is not there for ${scheme}: use \`trace\` for the messages, or tcpdump, whose file \`keylog\` opens`,
    );
  }
  return {
    framing: transportOf(scheme) === 'websocket' ? 'websocket' : 'tcp',
    secure: isSecureScheme(scheme),
    role,
    connection: {
      ...(maxMessageSize === undefined ? {} : { maxMessageSize }),
      ...(maxTokenLength === undefined ? {} : { maxTokenLength }),
      ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
      keepAliveMs,
      idleTimeoutMs,
    },
    requestResponse: {
      ...requestResponseTimes(transmissionParameters(options.transmission)),
      ...(blockSize === undefined ? {} : { blockSize }),
    },
    trace: options.trace !== undefined,
  };
}

/** What an endpoint on a serial line has to know of it. */
export type LineConfig = Pick<EndpointConfigInput, 'mtu' | 'bytesPerSecond'>;

function networkConfig(
  { linkProfile: name, mtu }: EndpointOptions,
  security: 'none' | 'dtls',
): Pick<EndpointConfigInput, 'mtu' | 'blockSize'> {
  const given = mtu === undefined ? {} : { mtu };
  if (name === undefined) return given;
  if (!linkProfileNames.includes(name)) {
    throw new ApiMisuseError(`linkProfile is '${name}'; expected one of ${linkProfileNames.join(', ')}`);
  }
  const link = linkProfiles[name];
  return { mtu: link.mtu, blockSize: blockSizeForLink(link, security), ...given };
}

function dtlsConfig(options: EndpointOptions): Partial<DtlsConfig> {
  return {
    ...(options.suites === undefined ? {} : { suites: options.suites.map(knownSuite) }),
    ...(options.extendedMasterSecret === undefined
      ? {}
      : { extendedMasterSecret: options.extendedMasterSecret }),
    ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
    ...(options.connectionId === undefined ? {} : { connectionIdLength: options.connectionId }),
    ...(options.maxRecordSize === undefined ? {} : { maxRecordSize: options.maxRecordSize }),
    ...(options.resumption === undefined ? {} : { resumption: options.resumption }),
    ...(options.handshakeTimeoutMs === undefined ? {} : { handshakeTimeoutMs: options.handshakeTimeoutMs }),
    ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    ...(options.keepAliveMs === undefined ? {} : { keepAliveMs: options.keepAliveMs }),
    ...(options.maxAssociations === undefined ? {} : { maxAssociations: options.maxAssociations }),
    keylog: options.keylog !== undefined,
  };
}

function knownSuite(name: CipherSuiteName): CipherSuiteName {
  if (suiteByName(name) === undefined) {
    throw new ApiMisuseError(`suites has '${name}', which is not a suite of this library`);
  }
  return name;
}

/**
 * One serial line of a client or server: its device, its packets, and what becomes of it.
 *
 * @module
 */

import { encodedLength } from '../core/coap/message-codec.ts';
import { type SerialUri, serialLineUri } from '../core/coap/serial-uri.ts';
import type { HandshakeFailure } from '../core/dtls/handshake/handshake-failure.ts';
import { dtlsOverhead, endpointConfig } from '../core/endpoint/endpoint-config.ts';
import type { OutgoingRequest } from '../core/endpoint/outputs.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { LineConnection } from '../core/serial/line-connection.ts';
import { lineDiagnosis, lossAdvice, mtuAdvice } from '../core/serial/line-diagnosis.ts';
import type { SocketOpener } from '../node/datagram-socket.ts';
import { devicePath } from '../node/serial-device.ts';
import { lineBytesPerSecond, type OpenSerialPort, openSerialPort } from '../node/serial-port.ts';
import type { EndpointOptions, LineConfig } from './endpoint-options.ts';
import { expectKnownOptions } from './known-options.ts';
import {
  type SerialEvent,
  type SerialLineStatus,
  type SerialOptions,
  serialOptionNames,
} from './serial-options.ts';

/** As the endpoint chooses them. */
const usualToken = new Uint8Array(8);

/** Which line. */
export type LineAddress = Pick<SerialUri, 'secure' | 'device' | 'baudRate'>;

/** The line that a URI means: the default one where it names none. @throws ApiMisuseError where there is no default one. */
export function namedLine(
  { secure, device, baudRate }: LineAddress,
  { serial }: EndpointOptions,
): LineAddress {
  if (device !== '') return { secure, device, baudRate };
  const line = serial?.defaultLine;
  if (line === undefined) {
    throw new ApiMisuseError(
      'the URI names no serial line, and there is no default one: give serial.defaultLine, or a device as in coap+serial://ttyUSB0',
    );
  }
  return { secure, device: line.device, baudRate: line.baudRate ?? baudRate };
}

/** @throws ApiMisuseError for an mtu or buffers that do not fit each other, and for a framing that is none. */
export function checkSerialOptions({ serial }: EndpointOptions): void {
  if (serial !== undefined) lineConnection(serial, false);
}

function lineConnection(serial: SerialOptions, secured: boolean): LineConnection {
  expectKnownOptions('serial', serial, serialOptionNames);
  const { framing, mtu, bufferBytes, peerBuffer, whenMissing = 'fail' } = serial;
  if (whenMissing !== 'fail' && whenMissing !== 'wait') {
    throw new ApiMisuseError(`serial.whenMissing is '${String(whenMissing)}'; expected 'fail' or 'wait'`);
  }
  return new LineConnection({
    ...(framing === undefined ? {} : { framing }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(bufferBytes === undefined ? {} : { bufferBytes }),
    ...(peerBuffer === undefined ? {} : { peerBuffer }),
    secured,
  });
}

/** See the module comment. */
export class SerialLine {
  /** Without a resource. */
  readonly uri: string;
  readonly path: string;
  readonly baudRate: number;
  readonly config: LineConfig;
  readonly #options: EndpointOptions;
  readonly #connection: LineConnection;
  readonly #blockSize: number;
  #port: OpenSerialPort | undefined;

  /** @throws ApiMisuseError for an mtu, buffer or block size that do not fit each other. */
  constructor(address: LineAddress, options: EndpointOptions) {
    const { serial = {}, blockSize } = options;
    const { secure, device, baudRate } = namedLine(address, options);
    this.uri = serialLineUri({ secure, device, baudRate });
    this.path = devicePath(device);
    this.baudRate = baudRate;
    this.#options = options;
    this.#connection = lineConnection(serial, secure);
    const { mtu } = this.#connection;
    this.config = { mtu, bytesPerSecond: lineBytesPerSecond(baudRate) };
    const fitting = endpointConfig({ mtu, security: secure ? 'dtls' : 'none' }).blockSize;
    this.#blockSize = blockSize ?? fitting;
    if (blockSize !== undefined && blockSize > fitting) {
      throw new ApiMisuseError(
        `blockSize ${blockSize} does not fit the mtu ${mtu} of ${this.uri}; expected at most ${fitting}, or a larger serial.mtu`,
      );
    }
  }

  /** Opens the device; rejects with `SerialFailure`. */
  readonly open: SocketOpener = async ({ receive, reopened }) => {
    const { path, baudRate } = this;
    const tell = (event: Event): void => this.#options.serial?.onEvent?.({ line: this.uri, ...event });
    this.#port = await openSerialPort({
      path,
      baudRate,
      connection: this.#connection,
      waits: this.#options.serial?.whenMissing === 'wait',
      onDatagram: receive,
      onText: (text) => tell({ kind: 'text', text }),
      onLost: (reason, bytes) =>
        tell({ kind: 'lost', reason, bytes, advice: lossAdvice(this.#connection, reason, bytes) }),
      onFailure: (failure) => tell({ kind: 'failure', failure }),
      onReopened: () => {
        reopened();
        tell({ kind: 'reopened' });
      },
    });
    return this.#port;
  };

  /** @throws ApiMisuseError for a request that no packet can hold: it would be lost without a word. */
  expectRoomFor({ token, options, payload, body, blockSize, expectResponse }: OutgoingRequest): void {
    const { mtu = Infinity } = this.config;
    const most = Math.min(blockSize ?? this.#blockSize, this.#blockSize);
    // Without a response there is nothing to ask for the next block with.
    const bytes = expectResponse === false ? payload.length : Math.min(body?.length ?? payload.length, most);
    const message = { token: token ?? usualToken, options, payload: new Uint8Array(bytes) };
    const needed = encodedLength(message) + (this.#connection.secured ? dtlsOverhead : 0);
    if (needed > mtu) {
      throw new ApiMisuseError(
        `the request needs ${needed} bytes in one packet, more than the mtu ${mtu} of ${this.uri} holds: give it shorter options, or a larger serial.mtu`,
      );
    }
  }

  /** What is wrong with the line, if anything looks wrong. */
  get diagnosis(): string | undefined {
    return lineDiagnosis(this.#connection, this.baudRate);
  }

  /** What to do about a handshake that failed on the way to the peer; undefined where the line has no part in it. */
  handshakeAdvice({ cause }: HandshakeFailure): string | undefined {
    if (cause === 'peer-silent') return this.diagnosis;
    return cause === 'mtu-too-large' ? mtuAdvice(this.#connection) : undefined;
  }

  /** What it is and how it fares. */
  status(): SerialLineStatus {
    const { uri, path, baudRate, diagnosis } = this;
    const { mtu, bufferBytes, counters } = this.#connection;
    return {
      uri,
      path,
      baudRate,
      isOpen: this.#port?.isOpen ?? false,
      mtu,
      bufferBytes,
      counters: this.#port?.counters ?? { ...counters, dropped: 0, reopened: 0 },
      diagnosis,
    };
  }
}

type Event = SerialEvent extends infer One ? (One extends SerialEvent ? Omit<One, 'line'> : never) : never;

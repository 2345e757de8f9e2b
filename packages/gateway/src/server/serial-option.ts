/**
 * The value of `serve --serial`: a device, its baud rate, whether DTLS secures it, and its framing.
 *
 * Pure; the lines themselves are gateway/serial-lines.ts.
 */
import type { SerialOptions } from 'coapsule';
import { isDecodeFault, parseSerialUri, serialLineUri } from 'coapsule/message';

/** A serial line as it stands on the command line. */
export interface SerialLineOption {
  /** Name (`ttyUSB0`, `COM3`) or path of the device. */
  readonly device: string;
  readonly baudRate: number;
  /** Undefined: secured when the gateway has credentials. */
  readonly security: 'secured' | 'plain' | undefined;
  /** How packets are put on the line; slipmux by default. */
  readonly framing?: Framing;
}

type Framing = NonNullable<SerialOptions['framing']>;

const framings: readonly string[] = ['slipmux', 'slip', 'raw'] satisfies Framing[];

const defaultBaudRate = 115_200;

/** Parse `PATH[,BAUD[,secured|plain[,FRAMING]]]`; what is empty is the default one. */
export function parseSerialLine(text: string): SerialLineOption | { readonly problem: string } {
  const [device = '', rate = '', secured, framing = '', ...more] = text.split(',');
  const security = secured === '' ? undefined : secured;
  if (device === '' || more.length > 0) {
    return { problem: 'give PATH[,BAUD[,secured|plain]], such as /dev/ttyUSB0,115200,secured' };
  }
  if (security !== undefined && security !== 'secured' && security !== 'plain') {
    return { problem: `"${security}" is neither secured nor plain` };
  }
  if (framing !== '' && !isFraming(framing))
    return { problem: `"${framing}" is none of ${framings.join(', ')}` };
  const how: Pick<SerialLineOption, 'security' | 'framing'> = {
    security,
    ...(framing === '' ? {} : { framing }),
  };
  if (rate === '') return { device, baudRate: defaultBaudRate, ...how };
  if (!/^\d+$/.test(rate)) return { problem: `"${rate}" is not a baud rate such as 9600 or 115200` };
  // The rules for a rate are those of a URI.
  const line = parseSerialUri(serialLineUri({ secure: false, device, baudRate: Number(rate) }));
  if (isDecodeFault(line)) return { problem: line.reason };
  return { device, baudRate: line.baudRate, ...how };
}

function isFraming(text: string): text is Framing {
  return framings.includes(text);
}

/** `/dev/ttyUSB0` by its other name, `ttyUSB0`, which needs no percent-encoding in a URI. */
export function shortDevice(device: string): string {
  return device.replace(/^\/dev\/(?=[^/]+$)/, '');
}

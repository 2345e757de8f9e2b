/**
 * A handshake flight by flight: who sends what to whom, how many bytes that is, how long it takes, and what it costs the device.
 *
 * RFC 6347 Figures 1 and 2, RFC 4279 §2, RFC 5246 §7.3. The bytes are those that this product's own engine sends, counted on its
 * simulated network with one suite and without connection ids. Pure functions: no loss, no time for computing.
 *
 * @module
 */

import { serialTimeMs } from './message-sizes.ts';
import { exchangeBytes } from './protection-sizes.ts';
import { type Radio, type RadioCost, radioCost } from './radio-energy.ts';

/** What protects the messages. */
export type HandshakeMode = 'none' | 'dtls-psk' | 'dtls-certificate' | 'oscore';

/** What is gone through. */
export interface HandshakeStepInputs {
  readonly mode: HandshakeMode;
  /** The server asks for a cookie; this product's server always does. */
  readonly cookie: boolean;
  /** The client goes on with an earlier session. */
  readonly resumption: boolean;
  readonly roundTripMs: number;
  /** That of the device, which is the client. */
  readonly radio: Radio;
  /** Of a serial line, 8N1, where there is one. */
  readonly baud?: number;
}

/** One flight: what one side sends before it waits. */
export interface HandshakeStep {
  readonly number: number;
  readonly from: 'client' | 'server';
  readonly messages: readonly string[];
  /** UDP payload of all its datagrams. */
  readonly bytes: number;
  readonly startMs: number;
  /** When its last byte has arrived. */
  readonly endMs: number;
  /** What the client spends on it. */
  readonly cost: RadioCost;
}

/** All of it. */
export interface HandshakePlan {
  /** The handshake, then the first request and its answer. */
  readonly steps: readonly HandshakeStep[];
  readonly handshakeBytes: number;
  /** When the client may send its first request. */
  readonly handshakeMs: number;
  readonly cost: RadioCost;
  /** From the first byte to the answer of the first request, the handshake included. */
  readonly firstAnswerMs: number;
  /** The same for each request after it. */
  readonly laterAnswerMs: number;
}

type Flight = readonly [from: HandshakeStep['from'], bytes: number, ...messages: readonly string[]];

/** The ClientHello comes twice where there is a cookie: the second time with its 32 bytes. */
const cookieBytes = 32;
const helloVerifyRequest: Flight = ['server', 60, 'HelloVerifyRequest'];

const flights: Readonly<
  Record<'psk' | 'certificate' | 'resumed' | 'resumedCertificate', readonly [Flight, ...Flight[]]>
> = {
  psk: [
    ['client', 75, 'ClientHello'],
    ['server', 99, 'ServerHello', 'ServerHelloDone'],
    ['client', 104, 'ClientKeyExchange', 'ChangeCipherSpec', 'Finished'],
    ['server', 67, 'ChangeCipherSpec', 'Finished'],
  ],
  // Both sides show a certificate of some 430 bytes.
  certificate: [
    ['client', 119, 'ClientHello'],
    [
      'server',
      760,
      'ServerHello',
      'Certificate',
      'ServerKeyExchange',
      'CertificateRequest',
      'ServerHelloDone',
    ],
    [
      'client',
      691,
      ...['Certificate', 'ClientKeyExchange', 'CertificateVerify', 'ChangeCipherSpec', 'Finished'],
    ],
    ['server', 67, 'ChangeCipherSpec', 'Finished'],
  ],
  resumed: [
    ['client', 107, 'ClientHello'],
    ['server', 173, 'ServerHello', 'ChangeCipherSpec', 'Finished'],
    ['client', 67, 'ChangeCipherSpec', 'Finished'],
  ],
  resumedCertificate: [
    ['client', 151, 'ClientHello'],
    ['server', 173, 'ServerHello', 'ChangeCipherSpec', 'Finished'],
    ['client', 67, 'ChangeCipherSpec', 'Finished'],
  ],
};

/** Goes through it. */
export function handshakePlan(inputs: HandshakeStepInputs): HandshakePlan {
  const { mode, roundTripMs, radio, baud } = inputs;
  const { sent, received } = exchangeBytes(mode === 'none' || mode === 'oscore' ? mode : 'dtls');
  const secured = mode === 'none' || mode === 'oscore' ? '' : ', encrypted';
  const all: readonly Flight[] = [
    ...handshakeFlights(inputs),
    ['client', sent, `request${secured}`],
    ['server', received, `response${secured}`],
  ];
  let before: HandshakeStep | undefined;
  const steps = all.map(([from, bytes, ...messages], index): HandshakeStep => {
    const lineMs = baud === undefined ? 0 : serialTimeMs(bytes, baud);
    // Whoever has sent the last flight of a handshake does not wait: the request follows it at once, behind it on the line.
    const arrivedMs = before?.endMs ?? 0;
    const startMs = before?.from === from ? arrivedMs - roundTripMs / 2 : arrivedMs;
    const isSent = from === 'client';
    before = {
      ...{ number: index + 1, from, messages, bytes, startMs, endMs: startMs + lineMs + roundTripMs / 2 },
      cost: radioCost(radio, { sentBytes: isSent ? bytes : 0, receivedBytes: isSent ? 0 : bytes }),
    };
    return before;
  });
  const handshake = steps.slice(0, -2);
  const bytesOf = (from: HandshakeStep['from']): number =>
    handshake.filter((step) => step.from === from).reduce((sum, { bytes }) => sum + bytes, 0);
  const [request, answer] = steps.slice(-2) as [HandshakeStep, HandshakeStep];
  return {
    steps,
    handshakeBytes: bytesOf('client') + bytesOf('server'),
    handshakeMs: request.startMs,
    cost: radioCost(radio, { sentBytes: bytesOf('client'), receivedBytes: bytesOf('server') }),
    firstAnswerMs: answer.endMs,
    laterAnswerMs: answer.endMs - request.startMs,
  };
}

function handshakeFlights({ mode, cookie, resumption }: HandshakeStepInputs): readonly Flight[] {
  if (mode === 'none' || mode === 'oscore') return [];
  const kind = mode === 'dtls-psk' ? 'psk' : 'certificate';
  const resumed = kind === 'psk' ? 'resumed' : 'resumedCertificate';
  const [first, ...rest] = flights[resumption ? resumed : kind];
  if (!cookie) return [first, ...rest];
  const [from, bytes, ...messages] = first;
  return [first, helloVerifyRequest, [from, bytes + cookieBytes, ...messages, 'with the cookie'], ...rest];
}

/**
 * A handshake as far as the ServerHello, and the farewell that ends it.
 *
 * RFC 6347 §4.2.1. Two datagrams to a server that asks for its cookie, one for the farewell.
 *
 * @module
 */

import { alertName } from 'coapsule/dtls';
import { dtlsVersions, encodeFarewell, encodeHello, type Offer } from './client-hello.ts';
import type { ProbeContext } from './probe-check.ts';
import { datagramStep, type ProbeSteps } from './probe-step.ts';
import { readServerFlight, type ServerFlight } from './server-flight.ts';

/** What became of it. */
export interface Attempt {
  /** Answer to the hello without a cookie. */
  readonly first: ServerFlight;
  readonly firstBytes: number;
  readonly outcome:
    | { readonly kind: 'chosen'; readonly hello: NonNullable<ServerFlight['hello']> }
    | { readonly kind: 'alert'; readonly description: number }
    | { readonly kind: 'silence' }
    /** A cookie was asked for, and nothing came when it was given. */
    | { readonly kind: 'silence-after-cookie' }
    | { readonly kind: 'refused'; readonly reason: string };
}

const decides = (received: readonly Uint8Array[]): boolean => {
  const { cookie, hello, alert } = readServerFlight(received);
  return cookie !== undefined || hello !== undefined || alert !== undefined;
};

/** Offers, answers with the cookie, and takes leave. */
export function* attemptHandshake(context: ProbeContext, offer: Offer): ProbeSteps<Attempt> {
  const hello = {
    offer: { ...offer, serverName: context.serverName },
    random: context.random(32),
    keyShare: context.random(32),
  };
  const opening = encodeHello({ ...hello, sequence: 0 });
  let seen = yield* datagramStep({ to: 'dtls', datagrams: [opening], isFresh: true, isEnough: decides });
  if (seen.received.length === 0 && seen.unreachable === undefined && seen.notSent === undefined) {
    // The same again, in case it was lost.
    seen = yield* datagramStep({ to: 'dtls', datagrams: [opening], isFresh: false, isEnough: decides });
  }
  const first = readServerFlight(seen.received);
  const firstBytes = opening.length;
  const refusal = seen.unreachable ?? seen.notSent;
  if (refusal !== undefined && seen.received.length === 0) {
    return { first, firstBytes, outcome: { kind: 'refused', reason: refusal } };
  }
  if (first.cookie === undefined || first.hello !== undefined) {
    return { first, firstBytes, outcome: yield* ended(first, 1, 'silence') };
  }
  const again = yield* datagramStep({
    to: 'dtls',
    datagrams: [encodeHello({ ...hello, sequence: 1, cookie: first.cookie })],
    isFresh: false,
    isEnough: (received) => {
      const flight = readServerFlight(received);
      return flight.hello !== undefined || flight.alert !== undefined;
    },
  });
  return {
    first,
    firstBytes,
    outcome: yield* ended(readServerFlight(again.received), 2, 'silence-after-cookie'),
  };
}

function* ended(
  flight: ServerFlight,
  sequence: number,
  silence: 'silence' | 'silence-after-cookie',
): ProbeSteps<Attempt['outcome']> {
  if (flight.hello !== undefined) {
    // Else the server would repeat its flight for a minute.
    yield* datagramStep({ to: 'dtls', datagrams: [encodeFarewell(sequence)], isFresh: false, isLast: true });
    return { kind: 'chosen', hello: flight.hello };
  }
  if (flight.alert !== undefined) return { kind: 'alert', description: flight.alert };
  return { kind: silence };
}

/** In words. */
export function outcomeText(outcome: Attempt['outcome']): string {
  switch (outcome.kind) {
    case 'chosen':
      return `ServerHello of DTLS ${versionText(outcome.hello.version)}`;
    case 'alert':
      return `alert ${alertName(outcome.description)}`;
    case 'silence':
      return 'no answer';
    case 'silence-after-cookie':
      return 'a HelloVerifyRequest, and no answer to its cookie';
    case 'refused':
      return outcome.reason;
  }
}

/** `1.2` for 0xfefd. */
function versionText(version: number): string {
  return (
    Object.entries(dtlsVersions).find(([, value]) => value === version)?.[0] ?? `0x${version.toString(16)}`
  );
}

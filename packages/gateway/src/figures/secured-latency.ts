/**
 * How long a request takes, by the round trips that it and the handshake before it need.
 *
 * Six flights with a cookie, four without (RFC 6347 §4.2.4): three or two round trips before the request has its own. Pure
 * function: no loss, no computing but what is given.
 *
 * @module
 */

/** What it depends on. */
export interface LatencyInputs {
  readonly roundTripMs: number;
  /** The server sends a HelloVerifyRequest; yes by default. */
  readonly cookie?: boolean;
  /** What encryption takes for a request, both sides; 5 by default. */
  readonly cryptographyMs?: number;
}

/** How long it takes. */
export interface SecuredLatency {
  readonly plainMs: number;
  readonly handshakeMs: number;
  /** Handshake and first request. */
  readonly firstMs: number;
  readonly laterMs: number;
}

/** How long requests take. */
export function securedLatency({
  roundTripMs,
  cookie = true,
  cryptographyMs = 5,
}: LatencyInputs): SecuredLatency {
  const handshakeMs = (cookie ? 3 : 2) * roundTripMs;
  return {
    plainMs: roundTripMs,
    handshakeMs,
    firstMs: handshakeMs + roundTripMs,
    laterMs: roundTripMs + cryptographyMs,
  };
}

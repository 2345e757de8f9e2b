/**
 * What loss does to a handshake, on average: whether nothing is lost, and how long its timers add. Pure functions.
 *
 * RFC 6347 §4.2.4.1: a flight is sent again after 1 s, then after 2 s, 4 s and so on up to 60 s. A flight and the one that answers it
 * are lost if either is. One datagram a flight, losses independent of each other.
 *
 * @module
 */

/** Share of handshakes that lose nothing, 0 … 1. */
export function cleanShare(flights: number, loss: number): number {
  return (1 - loss) ** flights;
}

/** Time that retransmission adds to a handshake, in ms: a sum over the flights that somebody waits for. */
export function expectedExtraMs(flights: number, loss: number): number {
  const failed = 1 - (1 - loss) ** 2;
  let perExchange = 0;
  let timeoutMs = 1000;
  // Until what follows is less than a hundredth of a millisecond, or as often as the engine tries.
  for (let reached = failed; reached * timeoutMs > 0.01 && timeoutMs < 64_000; reached *= failed) {
    perExchange += reached * timeoutMs;
    timeoutMs *= 2;
  }
  return perExchange * Math.ceil(flights / 2);
}

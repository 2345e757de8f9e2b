/** Just enough of CoAP (RFC 7252 §3) to answer, by hand, for a peer that only knows DTLS. */

/** A 2.05 with a text, piggybacked on the first confirmable request that these bytes hold; undefined without one. */
export function answerTo(bytes: Uint8Array, text: string): Buffer | undefined {
  for (let at = 0; at + 4 <= bytes.length; at++) {
    const [first = 0, code = 0] = bytes.subarray(at);
    if ((first & 0xf0) !== 0x40 || (first & 0x0f) > 8 || code < 1 || code > 7) continue;
    const idAndToken = bytes.subarray(at + 2, at + 4 + (first & 0x0f));
    return Buffer.concat([
      Buffer.of(0x60 | (first & 0x0f), 0x45),
      idAndToken,
      Buffer.of(0xff),
      Buffer.from(text),
    ]);
  }
  return undefined;
}

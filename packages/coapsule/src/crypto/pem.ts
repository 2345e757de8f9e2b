/**
 * PEM (RFC 7468): the blocks of a text, each with its label.
 *
 * @module
 */

/** One block between its BEGIN and END lines. */
export interface PemBlock {
  readonly label: string;
  /** The whole block with its lines. */
  readonly text: string;
  /** `undefined` when it is no base64, or has header lines as encrypted keys of the old form. */
  readonly der: Uint8Array | undefined;
}

/** All blocks, in order; what stands around them is text (RFC 7468 §2). */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const match of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----((?:(?!-----)[\s\S])*)-----END \1-----/g)) {
    const base64 = (match[2] as string).replace(/\s+/g, '');
    const isBase64 = base64.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
    blocks.push({
      label: match[1] as string,
      text: match[0],
      der: isBase64 ? new Uint8Array(Buffer.from(base64, 'base64')) : undefined,
    });
  }
  return blocks;
}

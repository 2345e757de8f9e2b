/**
 * Pictures that are small enough for a repository: at most 256 colours, which pages made of text and lines hardly differ by.
 *
 * PNG, third edition: filters (§9), indexed colour (§11.2.1). Only what Chromium's screenshots are: 8 bits, RGB or RGBA, not interlaced.
 *
 * @module
 */

import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** @param png A screenshot. @returns the same with fewer colours. */
export function smallPicture(png: Uint8Array): Uint8Array {
  const bytes = Buffer.from(png);
  const data: Buffer[] = [];
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const depth = { 2: 3, 6: 4 }[bytes[25] ?? 0];
  if (bytes[24] !== 8 || depth === undefined || bytes[28] !== 0) throw new Error('this is no screenshot');
  const pixels = unfiltered(inflateSync(Buffer.concat(data)), width * depth, height, depth);
  for (const bits of [6, 5, 4, 3, 2]) {
    const indexed = withPalette(pixels, { width, height, depth }, bits);
    if (indexed !== undefined) return indexed;
  }
  throw new Error('64 colours are never more than 256');
}

/** Each row without the byte that says how it was filtered. */
function unfiltered(raw: Uint8Array, row: number, height: number, depth: number): Uint8Array {
  const pixels = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const at = y * row + x;
      const left = x < depth ? 0 : (pixels[at - depth] ?? 0);
      const above = y === 0 ? 0 : (pixels[at - row] ?? 0);
      const corner = x < depth || y === 0 ? 0 : (pixels[at - row - depth] ?? 0);
      const predicted = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter ?? 0] ?? 0;
      pixels[at] = (raw[y * (row + 1) + 1 + x] ?? 0) + predicted;
    }
  }
  return pixels;
}

/** §9.4. */
function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** `undefined` where so many bits of each colour are more than 256 colours. */
function withPalette(
  pixels: Uint8Array,
  { width, height, depth }: { readonly width: number; readonly height: number; readonly depth: number },
  bits: number,
): Uint8Array | undefined {
  const palette: number[] = [];
  const known = new Map<number, number>();
  const rows = new Uint8Array((width + 1) * height);
  const mask = 0xff & (0xff << (8 - bits));
  for (let at = 0, pixel = 0; at < pixels.length; at += depth, pixel++) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
    const colour = ((red & mask) << 16) | ((green & mask) << 8) | (blue & mask);
    let index = known.get(colour);
    if (index === undefined) {
      index = known.size;
      if (index === 256) return undefined;
      known.set(colour, index);
      // The first of the colours that fall together stands for all: large areas come before the edges of letters.
      palette.push(red, green, blue);
    }
    rows[pixel + Math.floor(pixel / width) + 1] = index;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('PLTE', Uint8Array.from(palette)),
    chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

/**
 * IP addresses as URIs write them: IPv4address and IPv6address to bytes, and back in the recommended form.
 *
 * RFC 3986 §3.2.2, RFC 5952 §4. Zone identifiers (RFC 6874) are split off by the caller.
 *
 * @module
 */

/** The 4 bytes of a dotted IPv4 address without leading zeros (RFC 3986 §3.2.2), or `undefined`. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = match[i + 1] as string;
    const value = Number(part);
    if (value > 255 || String(value) !== part) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

/** The 16 bytes of an IPv6 address without brackets and zone, or `undefined`. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] as string, halves.length === 1);
  if (halves.length === 1) return head?.length === 16 ? Uint8Array.from(head) : undefined;
  const tail = groups(halves[1] as string, true);
  // "::" stands for at least one group of zeros (RFC 4291 §2.2).
  if (head === undefined || tail === undefined || head.length + tail.length > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of groups between colons; the last one may be an IPv4 address when `last`. */
function groups(text: string, last: boolean): number[] | undefined {
  const bytes: number[] = [];
  if (text === '') return bytes;
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 255);
      continue;
    }
    const ipv4 = last && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    bytes.push(...ipv4);
  }
  return bytes;
}

/** The text of a 16-byte IPv6 address in the recommended form (RFC 5952 §4; IPv4-mapped as in its §5). */
export function formatIpv6(bytes: Uint8Array): string {
  const mapped = mappedIpv4(bytes);
  if (mapped !== undefined) return `::ffff:${mapped.join('.')}`;
  const values: number[] = [];
  for (let i = 0; i < 16; i += 2) values.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  // §4.2.2 and §4.2.3: "::" replaces the longest run of two or more zero groups, the first of equal ones.
  let runStart = -1;
  let runLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && values[end] === 0) end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
  }
  const text = values.map((value) => value.toString(16));
  if (runStart < 0) return text.join(':');
  return `${text.slice(0, runStart).join(':')}::${text.slice(runStart + runLength).join(':')}`;
}

/** The 4 bytes of an IPv4-mapped IPv6 address (::ffff:0:0/96), or `undefined` for another one. */
export function mappedIpv4(bytes: Uint8Array): Uint8Array | undefined {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return undefined;
  return bytes[10] === 255 && bytes[11] === 255 ? bytes.subarray(12) : undefined;
}

/**
 * Where the IP packet lies in a captured packet, by the type of its link.
 *
 * Ethernet with VLAN tags (IEEE 802.1Q), Linux "cooked", BSD loopback, raw IP. For other links, among them IEEE 802.15.4 with
 * 6LoWPAN compression, there is no answer.
 *
 * @module
 */

/** LINKTYPE_ values that are understood. */
export const LinkType = {
  Null: 0,
  Ethernet: 1,
  Raw: 101,
  Loop: 108,
  LinuxCooked: 113,
  Ipv4: 228,
  Ipv6: 229,
  LinuxCooked2: 276,
} as const;

const ipv4 = 0x0800;
const ipv6 = 0x86dd;

/** The IP packet with what is behind it; `undefined` for something else than IP, and for a link that is not known. */
export function ipPacketIn(linkType: number, packet: Uint8Array): Uint8Array | undefined {
  switch (linkType) {
    case LinkType.Raw:
    case LinkType.Ipv4:
    case LinkType.Ipv6:
    // Old captures use the number that raw IP has in BSD.
    case 12:
      return packet;
    case LinkType.Null:
    case LinkType.Loop:
      return packet.subarray(4);
    case LinkType.Ethernet:
      return afterEtherType(packet, 12);
    case LinkType.LinuxCooked:
      return afterEtherType(packet, 14);
    case LinkType.LinuxCooked2:
      return isIp(u16(packet, 0)) ? packet.subarray(20) : undefined;
    default:
      return undefined;
  }
}

/** @param at where the EtherType is; tags before it move it on. */
function afterEtherType(packet: Uint8Array, at: number): Uint8Array | undefined {
  let offset = at;
  while (u16(packet, offset) === 0x8100 || u16(packet, offset) === 0x88a8) offset += 4;
  return isIp(u16(packet, offset)) ? packet.subarray(offset + 2) : undefined;
}

function isIp(etherType: number): boolean {
  return etherType === ipv4 || etherType === ipv6;
}

/** 0, which is neither, beyond the end. */
function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/**
 * Whom to count as one: a whole /64 of IPv6 addresses is as easy to have as one of them.
 */
import { isIPv6 } from 'node:net';

/** An IPv6 address by its first 64 bits, such as `2001:db8:0:1::/64`; anything else as it is. */
export function networkOf(host: string): string {
  const address = host.replace(/%.*$/, '');
  if (!isIPv6(address)) return host;
  const mapped = /^(?:0{0,4}:){1,5}ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  // One group of the last two may be written as IPv4; it is not among the first four.
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split('::');
  const groups = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length;
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...last];
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}

/**
 * Which addresses the servers may have that a forward-proxy asks: those of the public Internet, and of networks that are named.
 *
 * Whoever may choose a server must not reach, through the proxy, what stands beside it (docs/decisions/030).
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import {
  type IpNetwork,
  isInNetwork,
  isNoHostAddress,
  isPublicAddress,
  parseIpNetwork,
} from '../core/foundation/ip-network.ts';
import { lookUpHost } from '../node/host-lookup.ts';
import { ownAddresses } from '../node/own-addresses.ts';
import { forbiddenAddress } from './forbidden-address.ts';

/** See the module comment. */
export class AllowedAddresses {
  readonly #networks: readonly IpNetwork[];

  /**
   * @param networks `10.1.0.0/16`, `fd00::/8`, `127.0.0.1`: addresses besides those of the public Internet.
   * @param where What names them, for messages.
   * @throws ApiMisuseError for a network that is none.
   */
  constructor(networks: readonly string[], where: string) {
    this.#networks = networks.map((text) => {
      const network = parseIpNetwork(text);
      if (network === undefined) {
        throw new ApiMisuseError(
          `${where}: networks has '${text}'; expected one such as 10.1.0.0/16 or fd00::1`,
        );
      }
      return network;
    });
  }

  /** Whether a server with this address, an IP literal without brackets, may be asked. @param own Those of this machine. */
  allows(address: string, own: Iterable<string> = ownAddresses()): boolean {
    if (isNoHostAddress(address)) return false;
    if (this.#networks.some((network) => isInNetwork(address, network))) return true;
    return isPublicAddress(address) && !isAnyOf(address, own);
  }

  /**
   * The addresses of a host name, all of which may be asked: use these and look up nothing a second time.
   *
   * @throws CoapsuleError (rejects) `ERR_ADDRESS` when any of them may not; the system's error for a name that is not known.
   */
  async lookUp(
    host: string,
    lookUp: (host: string) => Promise<readonly string[]> = lookUpHost,
  ): Promise<readonly string[]> {
    const addresses = await lookUp(host);
    if (!addresses.every((address) => this.allows(address))) throw forbiddenAddress();
    return addresses;
  }
}

/** An address can be written in many ways: compared are the bytes, an IPv4-mapped one by its IPv4 address. */
function isAnyOf(address: string, those: Iterable<string>): boolean {
  for (const one of those) {
    const network = parseIpNetwork(one);
    if (network !== undefined && isInNetwork(address, network)) return true;
  }
  return false;
}

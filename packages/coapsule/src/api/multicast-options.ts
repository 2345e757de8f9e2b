/**
 * Which multicast groups a listener joins, and which of its resources answer to them.
 *
 * RFC 7252 §8, §11.3 and §12.8, draft-ietf-core-groupcomm-bis §3.1.2, §3.4 and §3.6.1.
 *
 * @module
 */

import { allCoapNodes, isMulticastAddress, type LeisureEstimate, leisureMs } from '../core/coap/multicast.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import {
  defaultGroupPolicy,
  type GroupPolicy,
  type ResponseClass,
} from '../core/request-response/response-suppression.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';

/** What a plain `coap` listener hears besides what is sent to it alone. */
export interface MulticastListenOptions {
  /** IP literals without zones; by default All CoAP Nodes: 224.0.1.187, ff02::fd, ff04::fd, ff05::fd. */
  readonly groups?: readonly string[];
  /** The groups' port; 5683 by default, whatever the port of the listener, which answers from its own. Not 5684. */
  readonly port?: number;
  /** Names, such as `eth0`; by default those of the listener's address, and all but loopback on `[::]`. */
  readonly interfaces?: readonly string[];
  /**
   * Answers are sent at a random moment of this time in milliseconds; 5000 by default. Or the numbers that its lower
   * bound is computed from (RFC 7252 §8.2).
   */
  readonly leisure?: number | LeisureEstimate;
}

const multicastListenNames: OptionNames<Required<MulticastListenOptions>> = {
  groups: true,
  port: true,
  interfaces: true,
  leisure: true,
};

/** How a resource deals with requests to a group. */
export interface ResourceMulticast {
  /** Classes of responses that are sent; `[2]` by default: errors are suppressed, as RFC 7252 §8.2 wants it. */
  readonly answer?: readonly ResponseClass[];
  /**
   * Whether a No-Response option with interest in a class makes it be sent (RFC 7967 §2.1). False by default: anybody
   * can ask so in another's name (groupcomm-bis §6.5).
   */
  readonly heedInterest?: boolean;
}

/** The groups to join, checked. */
export interface MulticastListening {
  readonly groups: readonly string[];
  readonly port: number;
  readonly interfaces: readonly string[] | undefined;
  readonly leisureMs: number | undefined;
}

/** The port of DTLS, which groupcomm-bis §3.4 does not let a group use. */
const coapsPort = 5684;

/** Reads the option of a listener. @throws ApiMisuseError for what cannot be joined. */
export function multicastListening(
  uri: string,
  scheme: 'coap' | 'coaps',
  option: boolean | MulticastListenOptions | undefined,
): MulticastListening | undefined {
  if (option === undefined || option === false) return undefined;
  if (scheme !== 'coap') {
    throw new ApiMisuseError(
      `${uri}: multicast was given, which DTLS does not have (RFC 7252 §8.1): use coap`,
    );
  }
  const given = option === true ? {} : option;
  expectKnownOptions(`${uri}: multicast`, given, multicastListenNames);
  const { groups = [...allCoapNodes.ipv6, ...allCoapNodes.ipv4], port = 5683, interfaces, leisure } = given;
  for (const group of groups) {
    if (isMulticastAddress(group) && !group.includes('%')) continue;
    throw new ApiMisuseError(`multicast.groups has '${group}'; expected multicast addresses without a zone`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || port === coapsPort) {
    throw new ApiMisuseError(`multicast.port is ${port}; expected 1 to 65535, and not 5684`);
  }
  if (typeof leisure === 'number' && !(leisure >= 0 && Number.isFinite(leisure))) {
    throw new ApiMisuseError(`multicast.leisure is ${leisure}; expected milliseconds, 0 or more`);
  }
  const period = typeof leisure === 'object' ? leisureMs(leisure) : leisure;
  return { groups, port, interfaces, leisureMs: period };
}

/** The policy of a resource; `undefined` for one that requests to a group do not reach. */
export function groupPolicyOf(multicast: boolean | ResourceMulticast | undefined): GroupPolicy | undefined {
  if (multicast === undefined || multicast === false) return undefined;
  if (multicast === true) return defaultGroupPolicy;
  const { answer = defaultGroupPolicy.answered, heedInterest = false } = multicast;
  return { answered: answer, heedsInterest: heedInterest };
}

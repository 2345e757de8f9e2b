/**
 * A request to a group, as the caller puts it, and the way it goes.
 *
 * RFC 7252 §8, draft-ietf-core-groupcomm-bis §3.
 *
 * @module
 */

import type { Link } from '../core/coap/link-format.ts';
import { isMulticastAddress } from '../core/coap/multicast.ts';
import type { CoapUri } from '../core/coap/uri.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { RequestOptions } from './client-options.ts';
import type { GroupPath } from './group-endpoint.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';

/** Options of a request to a group. */
export interface MulticastOptions
  extends Pick<
    RequestOptions,
    'payload' | 'contentFormat' | 'accept' | 'blockSize' | 'token' | 'options' | 'signal' | 'noResponse'
  > {
  /** How long responses are gathered; by default DEFAULT_LEISURE and round trips, 8000. Not for an observation. */
  readonly windowMs?: number;
  /** Name of the interface to send on, such as `eth0`; for IPv4 also its address. A zone in the URI says so too. */
  readonly interface?: string;
  /** Routers on the way, 1 … 255; 1 by default: no farther than the own link. */
  readonly hopLimit?: number;
  /** Observes the resource of every device (groupcomm-bis §3.7); GET and FETCH only. */
  readonly observe?: boolean;
}

const multicastOptionNames: OptionNames<Required<MulticastOptions>> = {
  payload: true,
  contentFormat: true,
  accept: true,
  blockSize: true,
  token: true,
  options: true,
  signal: true,
  noResponse: true,
  windowMs: true,
  interface: true,
  hopLimit: true,
  observe: true,
};

/** The resources of one device that answered a discovery. */
export interface DiscoveredDevice {
  readonly address: PeerAddress;
  /** `coap://[fe80::1%25eth0]:5683`: what the links are relative to (RFC 7252 §8.2). */
  readonly uri: string;
  readonly links: readonly Link[];
  /** Why there are no links: the code of an error, or what is wrong with the text. */
  readonly problem: string | undefined;
}

/** Refuses options that have no meaning for a group. @throws ApiMisuseError that says which. */
export function checkMulticast(where: string, options: MulticastOptions): void {
  if ('confirmable' in options && options.confirmable === true) {
    throw new ApiMisuseError(
      `${where}: confirmable is true; a request to a group is Non-confirmable (RFC 7252 §8.1)`,
    );
  }
  expectKnownOptions(where, options, multicastOptionNames);
  const { windowMs, hopLimit, observe, noResponse } = options;
  if (windowMs !== undefined && !(windowMs >= 0 && Number.isFinite(windowMs))) {
    throw new ApiMisuseError(`windowMs is ${windowMs}; expected milliseconds, 0 or more`);
  }
  if (hopLimit !== undefined && !(Number.isInteger(hopLimit) && hopLimit >= 1 && hopLimit <= 255)) {
    throw new ApiMisuseError(`hopLimit is ${hopLimit}; expected 1 to 255`);
  }
  if (observe && noResponse !== undefined) {
    throw new ApiMisuseError('noResponse was given with observe; notifications are responses (RFC 7967)');
  }
}

/** Refuses a group where one server is expected. @throws ApiMisuseError that names what to call instead. */
export function expectNoGroup(text: string, addresses: readonly string[]): void {
  if (!addresses.some(isMulticastAddress)) return;
  throw new ApiMisuseError(`'${text}' names a multicast group, which has many answers: use client.multicast`);
}

/** The address of a group, and the way there. @throws ApiMisuseError for an address that is no group's. */
export function groupPath(text: string, address: string, options: MulticastOptions): GroupPath {
  if (!isMulticastAddress(address)) {
    throw new ApiMisuseError(`'${text}' names no multicast group (${address}): use client.request`);
  }
  const [, zone] = address.split('%');
  if (zone !== undefined && options.interface !== undefined && zone !== options.interface) {
    throw new ApiMisuseError(`'${text}' has the zone ${zone}, but interface is '${options.interface}'`);
  }
  return {
    family: address.includes(':') ? 'IPv6' : 'IPv4',
    interface: zone ?? options.interface,
    hopLimit: options.hopLimit ?? 1,
  };
}

/** The base URI of a device (RFC 7252 §8.2: the group's address replaced by the device's). */
export function deviceUri({ key }: PeerAddress, scheme: CoapUri['scheme'] = 'coap'): string {
  return `${scheme}://${key.replace('%', '%25')}`;
}

/**
 * The multicast groups of a listener: joined beside its socket, which answers.
 *
 * RFC 7252 §8. Which groups are asked for is read in `multicast-options.ts`.
 *
 * @module
 */

import type { Driver } from '../node/driver.ts';
import { type GroupMembership, GroupMemberships } from '../node/group-memberships.ts';
import type { SharedPort } from '../node/shared-port.ts';
import { CoapsuleError } from './errors.ts';
import type { MulticastListening } from './multicast-options.ts';

/**
 * Joins the groups that a listener with this driver can answer to; what fails goes to `onError`.
 *
 * @param sharedPort Whose other workers are to be kept out of them.
 */
export function joinGroups(
  driver: Driver,
  { groups, port, interfaces }: MulticastListening,
  onError: (error: unknown) => void,
  sharedPort: SharedPort | undefined,
): Promise<GroupMemberships> {
  const { host } = driver.local;
  const wildcard = isWildcard(host);
  return GroupMemberships.open({
    // `::` takes IPv4 too. Where the listener cannot answer, it need not listen.
    groups: groups.filter((group) => host === '::' || group.includes(':') === host.includes(':')),
    port,
    interfaces,
    amongWorkers: sharedPort?.isAlone === false,
    ...(wildcard || interfaces !== undefined ? {} : { address: host }),
    onDatagram: (datagram, from, group) => {
      if (!driver.closed) driver.receiveFromGroup(datagram, from, group);
    },
    onJoined: (group, interfaceAddress) => {
      if (!wildcard || driver.closed) return;
      driver.keepOut(group, interfaceAddress);
      sharedPort?.keepOut(group, interfaceAddress);
    },
    onFailure: (membership) => onError(membershipError(membership)),
  });
}

/** Whether a socket at this address receives what is sent to any address of the machine. */
export function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

function membershipError({ group, port, interface: name, error }: GroupMembership): CoapsuleError {
  const place =
    group === '*' ? 'no group' : `the group ${group.includes(':') ? `[${group}]` : group}:${port}`;
  const joined = group === '*' ? 'is joined' : 'is not joined';
  return new CoapsuleError(
    'ERR_NETWORK',
    `${place} ${joined} on ${name}: ${error?.message ?? 'no reason given'}`,
    'the listener works without it and tries again every 10 seconds; `multicast.interfaces` chooses interfaces',
    { cause: error },
  );
}

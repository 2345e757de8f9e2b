/**
 * Whether a device is there, asleep, or was.
 *
 * @module
 */

import type { AssociationView, DeviceView } from '../../src/console/api-types.ts';
import { orDash } from '../parts/figures.ts';
import { dateAndTime } from '../parts/times.ts';
import { words } from '../wording.ts';

const text = words.devices;

/** As a chip, or the time when it was heard last. */
export function Presence({
  device: { association, isSleeping, lastSeenAtMs, waitingCommands },
}: {
  readonly device: DeviceView;
}) {
  const waiting = waitingCommands > 0 ? ` ${text.waiting(waitingCommands)}` : '';
  if (isSleeping) return <span class="chip warning">{text.sleeping + waiting}</span>;
  if (association !== null) return <span class="chip good">{text.connected}</span>;
  return <>{lastSeenAtMs === null ? text.never : text.seen(dateAndTime(lastSeenAtMs))}</>;
}

/** The Connection IDs of both sides. */
export function connectionIdOf(association: AssociationView | null): string {
  return orDash(association?.connectionId, ({ own, peer }) => text.connectionId(own, peer));
}

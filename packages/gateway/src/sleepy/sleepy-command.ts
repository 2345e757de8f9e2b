/**
 * What the gateway keeps of a device that sleeps: the last representation of each of its resources, and commands that wait until
 * it is awake.
 */
import { createHash } from 'node:crypto';
import type { Method } from 'coapsule';

/** The state of a resource of the device, as it has told it last. */
export interface Representation {
  readonly device: string;
  /** At the device: `/temperature`. */
  readonly path: string;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  /** 1 to 8 bytes. */
  readonly etag: Uint8Array;
  readonly receivedAtMs: number;
  /** Until then it can be taken for the present state. */
  readonly freshUntilMs: number;
}

/** What a device tells of a resource. */
export type RepresentationContent = Pick<Representation, 'payload' | 'contentFormat'>;

/** What a device has told, as it is kept; its ETag is that of the same content always. */
export function representationOf(
  device: string,
  path: string,
  content: RepresentationContent,
  receivedAtMs: number,
  freshMs: number,
): Representation {
  const { contentFormat } = content;
  const payload = content.payload.slice();
  const etag = createHash('sha256').update(`${contentFormat}:`).update(payload).digest().subarray(0, 8);
  return {
    ...{ device, path, payload, contentFormat, receivedAtMs },
    etag: new Uint8Array(etag),
    freshUntilMs: receivedAtMs + freshMs,
  };
}

/** Methods that wait. */
export type CommandMethod = Exclude<Method, 'GET' | 'FETCH'>;

/**
 * What became of a command. `delivering`: it is on its way, and may have arrived. `unknown`: it was on its way when the device fell
 * asleep, or the gateway ended, and carrying it out twice is not the same as once.
 */
export type CommandState =
  | 'queued'
  | 'delivering'
  | 'done'
  | 'unknown'
  | 'expired'
  | 'replaced'
  | 'cancelled';

/** A command for a device. */
export interface SleepyCommand {
  /** Grows in the order in which commands came. */
  readonly id: number;
  readonly device: string;
  readonly method: CommandMethod;
  /** At the device, with the query: `/light?fade=2`. */
  readonly target: string;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  readonly ifMatch: readonly Uint8Array[];
  readonly ifNoneMatch: boolean;
  /** Who gave it. */
  readonly from: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly state: CommandState;
  /** Of what the device has answered. */
  readonly answer: CommandAnswer | undefined;
}

/** What the device has answered. */
export interface CommandAnswer {
  readonly code: number;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
}

/** A change of what is kept. */
export type SleepyChange =
  | { readonly kind: 'representation'; readonly representation: Representation; readonly most: number }
  | { readonly kind: 'no-representation'; readonly device: string; readonly path: string }
  | { readonly kind: 'command'; readonly command: SleepyCommand }
  | { readonly kind: 'remove-commands'; readonly ids: readonly number[] };

/** Where it outlives the process. */
export interface SleepyStore {
  /** All of it or none, durably; fulfils after the commit. */
  changeSleepy(changes: readonly SleepyChange[]): Promise<void>;
  representation(device: string, path: string): Promise<Representation | undefined>;
}

/**
 * Whether carrying a command out twice is the same as once (RFC 7252 §5.1, RFC 8132 §3), for the device and for who gave it: with a
 * condition the second time would be answered 4.12, although the first was carried out.
 */
export function isIdempotent({ method, ifMatch, ifNoneMatch }: SleepyCommand): boolean {
  if (ifMatch.length > 0 || ifNoneMatch) return false;
  return method === 'PUT' || method === 'DELETE' || method === 'IPATCH';
}

/** Whether a command has not reached its end. */
export function isPending({ state }: SleepyCommand): boolean {
  return state === 'queued' || state === 'delivering';
}

/** Whether a new command for a target that sets its state makes this one needless: it waits, and sets that state too. */
export function isReplaceable(other: SleepyCommand, target: string): boolean {
  return (
    other.state === 'queued' &&
    other.target === target &&
    (other.method === 'PUT' || other.method === 'DELETE')
  );
}

/** The path of a target. */
export function pathOfTarget(target: string): string {
  return target.split('?', 1)[0] as string;
}

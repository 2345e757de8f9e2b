/**
 * A resource of the gateway: where it is, who may use it, and its handlers.
 */
import type { Resource } from 'coapsule';
import type { Protection } from '../access/access.ts';

/** One entry of the gateway's resource table. */
export interface GatewayResource {
  /** As for `Server.resource`: `/light`, or `/sensors/*` for everything below. */
  readonly path: string;
  readonly protection: Protection;
  /** No switch of the whole gateway opens it, only the rules of each device. */
  readonly isBeyondPolicy?: boolean;
  /** Its handlers remember nothing but in the store: each worker serves it itself. */
  readonly isEverywhere?: boolean;
  readonly resource: Resource;
}

/** Tells observers that a path changed. */
export type Notify = (path: string) => void;

/** Resources that change by themselves, and what stops that. */
export interface TickingResources {
  readonly resources: readonly GatewayResource[];
  readonly stop: () => void;
}

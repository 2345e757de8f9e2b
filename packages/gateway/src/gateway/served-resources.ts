/**
 * The resources that the gateway serves now, and what other workers have to know to serve them, or to hand their requests over.
 */
import type { Resource, Server } from 'coapsule';
import type { GatewayResource } from '../resources/gateway-resource.ts';

/** A resource without its handlers, as it goes to another thread. */
export interface ResourceShape extends Omit<GatewayResource, 'resource'> {
  /** Names of the handlers that it has. */
  readonly handlers: readonly string[];
  readonly settings: Partial<Resource>;
}

/** See the module comment. */
export class ServedResources {
  readonly #server: Pick<Server, 'resource' | 'removeResource'>;
  readonly #guarded: (resource: GatewayResource) => Resource;
  readonly #shapes = new Map<string, ResourceShape>();
  /** Called for each that comes, or goes (undefined), from now on. */
  onChange: (path: string, shape: ResourceShape | undefined) => void = () => {};

  /** @param guarded puts the rules of the devices around a resource. */
  constructor(
    server: Pick<Server, 'resource' | 'removeResource'>,
    guarded: (resource: GatewayResource) => Resource,
  ) {
    this.#server = server;
    this.#guarded = guarded;
  }

  /** All that are served, in the order in which they came. */
  shapes(): readonly ResourceShape[] {
    return [...this.#shapes.values()];
  }

  /** Whether something is served at a path, in the form that it was added with. */
  has(path: string): boolean {
    return this.#shapes.has(path);
  }

  add(entry: GatewayResource): void {
    this.#server.resource(entry.path, this.#guarded(entry));
    const shape = shapeOf(entry);
    this.#shapes.set(entry.path, shape);
    this.onChange(entry.path, shape);
  }

  async remove(path: string): Promise<void> {
    this.#shapes.delete(path);
    this.onChange(path, undefined);
    await this.#server.removeResource(path);
  }
}

/** The shape of a resource. */
function shapeOf({ resource, ...entry }: GatewayResource): ResourceShape {
  const parts = Object.entries(resource);
  return {
    ...entry,
    handlers: parts.filter(([, part]) => typeof part === 'function').map(([name]) => name),
    settings: Object.fromEntries(parts.filter(([, part]) => typeof part !== 'function')),
  };
}

/** A resource of this shape whose requests another worker serves. */
export function ownedElsewhere({ handlers, settings, ...entry }: ResourceShape): GatewayResource {
  const notHere = (): never => {
    throw new Error(`${entry.path} is served by worker 0`);
  };
  const named = handlers.filter((name) => name !== 'onClose').map((name) => [name, notHere]);
  // The edge that recognises a record after a crash is in this worker, and what worker 0 writes does not wait for it: the request
  // is remembered here before it is passed on.
  const handedOn = { effectsInStore: false, oneOwner: true };
  return { ...entry, resource: { ...settings, ...Object.fromEntries(named), ...handedOn } };
}

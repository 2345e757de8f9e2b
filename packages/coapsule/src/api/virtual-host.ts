/**
 * The resources of one host name of a server that has several (RFC 7252 §5.10.1).
 *
 * @module
 */

import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { OscoreContexts } from './oscore-context.ts';
import { expectObservable, expectResource, type Resource, ResourceTree } from './resource-tree.ts';
import { wellKnownCore } from './well-known-core.ts';

/** What a host may have of its own. */
export interface HostOptions {
  /**
   * The OSCORE contexts that count for this host: a request under another one of the listener's is answered 4.01. Uri-Host is
   * not protected (RFC 8613 §4.1.3.2), so that somebody on the way could send a request to another host of the same server.
   * Without it all contexts of the listener count. They may come and go.
   */
  readonly oscore?: OscoreContexts;
}

/** Made by `Server.host`. */
export class VirtualHost {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  readonly resources: ResourceTree = new ResourceTree();
  /** See `HostOptions`. */
  readonly oscore: OscoreContexts | undefined;
  readonly #notify: (resource: string) => void;

  /** @param notify Tells observers on every socket that what is named so has changed. */
  constructor(name: string, notify: (resource: string) => void, { oscore }: HostOptions = {}) {
    this.name = name;
    this.oscore = oscore;
    this.#notify = notify;
    this.resources.add('/.well-known/core', wellKnownCore(this.resources));
  }

  /** Adds a resource, as `Server.resource` does. */
  resource(path: string, resource: Resource): this {
    expectResource(`${path} of ${this.name}`, resource);
    this.resources.add(path, resource);
    return this;
  }

  /**
   * Tells observers of a resource of this host that it changed (RFC 7641 §4.2).
   *
   * @throws ApiMisuseError for a path without a resource, or one that nobody can observe.
   */
  notify(path: string): void {
    expectObservable(this.resources, path);
    this.#notify(`${hostPrefix(this.name)}${path}`);
  }
}

/** What is before the path in the name of a resource of a host, so that it is not that of another host's. */
export function hostPrefix(name: string): string {
  return `//${name}`;
}

/** The name that a request is for, in the form that hosts are kept by; `undefined` without Uri-Host. */
export function requestedHost(options: OptionReader): string | undefined {
  const host = options.text(OptionNumber.UriHost);
  return host === undefined ? undefined : canonicalHost(host);
}

/** RFC 7252 §6.1: host names are compared without regard to case; a dot at the end says nothing. */
export function canonicalHost(host: string): string {
  return host.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/\.$/, '');
}

/** A name as `Server.host` takes it. @throws ApiMisuseError for an address, a port or an empty name. */
export function expectHostName(name: string): string {
  const canonical = canonicalHost(name);
  if (canonical === '' || /[:/?#[\]@\s]/.test(canonical) || /^[\d.]+$/.test(canonical)) {
    throw new ApiMisuseError(
      `host name is '${name}'; expected a name, such as 'sensors.example', without scheme and port`,
    );
  }
  return canonical;
}

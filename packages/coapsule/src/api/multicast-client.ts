/**
 * Requests to multicast groups: the sockets they go by, and the devices that answer.
 *
 * RFC 7252 §8, draft-ietf-core-groupcomm-bis §3. What a caller may ask for is checked in `multicast-request.ts`.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import { decodeLinkFormat } from '../core/coap/link-format.ts';
import { isLinkScoped } from '../core/coap/multicast.ts';
import { uriOptions } from '../core/coap/uri.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { ipAddress } from '../core/foundation/peer-address.ts';
import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';
import type { ClientOptions } from './client-options.ts';
import { CoapsuleError } from './errors.ts';
import { GroupEndpoint, type GroupPath } from './group-endpoint.ts';
import {
  checkMulticast,
  type DiscoveredDevice,
  deviceUri,
  groupPath,
  type MulticastOptions,
} from './multicast-request.ts';
import { MulticastResponses } from './multicast-responses.ts';
import { linkListUri, outgoingRequest } from './outgoing-request.ts';
import { abortedError } from './request-error.ts';
import { parseServerUri, resolveHost } from './server-address.ts';

/** The part of a client that talks to groups. */
export class MulticastClient {
  readonly #options: ClientOptions;
  readonly #endpoints = new Map<string, Promise<GroupEndpoint>>();
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** See `Client.multicast`. */
  request(method: Method, uri: string, options: MulticastOptions): MulticastResponses {
    checkMulticast(method, options);
    if (this.#options.oscore !== undefined) {
      throw new ApiMisuseError('oscore is for one server; there is no multicast with it');
    }
    const { uri: target, secure } = parseServerUri(uri);
    if (secure)
      throw new ApiMisuseError(`'${uri}' is secured; there is no multicast with DTLS (RFC 7252 §8.1)`);
    if (target.hostIsIpLiteral) groupPath(uri, target.host, options);
    const { signal } = options;
    if (signal?.aborted) throw abortedError(signal);
    let giveUp: (() => void) | undefined;
    const ended = new AbortController();
    const finish = (error?: CoapsuleError | ApiMisuseError): void => {
      signal?.removeEventListener('abort', onAbort);
      responses.end(error);
      ended.abort();
      giveUp?.();
    };
    const responses = new MulticastResponses(() => finish());
    const onAbort = (): void => finish(abortedError(signal));
    signal?.addEventListener('abort', onAbort);
    const send = async (): Promise<void> => {
      const [host = ''] = await resolveHost(target);
      const path = groupPath(uri, host, options);
      const endpoint = await this.#endpoint(path);
      if (ended.signal.aborted) return;
      const { windowMs, observe } = options;
      // A group that means each link by itself is named with the zone of the one that is meant.
      const zoned = isLinkScoped(host) && !host.includes('%') && path.interface !== undefined;
      const group = ipAddress(zoned ? `${host}%${path.interface}` : host, target.port);
      const content = {
        ...outgoingRequest(method, uriOptions(target, group), options),
        ...(windowMs === undefined ? {} : { windowMs }),
        ...(observe === undefined ? {} : { observe }),
      };
      giveUp = endpoint.request(group, content, {
        response: (response) => responses.next(response),
        ended: finish,
      });
    };
    send().catch(finish);
    return responses;
  }

  /** See `Client.discoverDevices`. */
  async discover(
    uri: string,
    options: MulticastOptions & { readonly query?: readonly string[] },
  ): Promise<DiscoveredDevice[]> {
    const { query = [], ...request } = options;
    const list = linkListUri(parseServerUri(uri).uri, query);
    const devices: DiscoveredDevice[] = [];
    const responses = this.request('GET', list, { accept: 'application/link-format', ...request });
    for await (const response of responses) {
      const { address } = response.peer;
      const links = response.ok ? decodeLinkFormat(response.text()) : undefined;
      const device = { address, uri: deviceUri(address) };
      if (links === undefined) devices.push({ ...device, links: [], problem: response.codeText });
      else if (isDecodeFault(links)) devices.push({ ...device, links: [], problem: links.reason });
      else devices.push({ ...device, links, problem: undefined });
    }
    return devices;
  }

  /** Observations of devices, by token. */
  async activeObservations(): Promise<readonly ActiveObservation[]> {
    const endpoints = await Promise.allSettled(this.#endpoints.values());
    return endpoints.flatMap((one) => (one.status === 'fulfilled' ? one.value.activeObservations() : []));
  }

  /** Ends what is under way, and closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    const endpoints = await Promise.allSettled(this.#endpoints.values());
    this.#endpoints.clear();
    await Promise.all(endpoints.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)));
  }

  #endpoint(path: GroupPath): Promise<GroupEndpoint> {
    if (this.#closed) {
      return Promise.reject(new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client'));
    }
    const key = `${path.family} ${path.interface ?? ''} ${path.hopLimit}`;
    const known = this.#endpoints.get(key);
    if (known) return known;
    const opening = GroupEndpoint.open(path, this.#options).catch((cause: NodeJS.ErrnoException) => {
      this.#endpoints.delete(key);
      if (cause instanceof CoapsuleError || cause instanceof ApiMisuseError) throw cause;
      throw new CoapsuleError(
        'ERR_NETWORK',
        `no socket for multicast (${cause.code ?? cause.message})`,
        'check the interface, and the local address in `bind`',
        { cause },
      );
    });
    this.#endpoints.set(key, opening);
    return opening;
  }
}

/**
 * How a request of a client reaches its server: by its route, over the first address of the host where somebody listens.
 *
 * @module
 */

import type { OptionSet } from '../core/coap/option-set.ts';
import { hasSerialScheme } from '../core/coap/serial-uri.ts';
import type { UriDestination } from '../core/coap/uri.ts';
import type { ClientLink, RequestObserver } from './client-link.ts';
import type { ClientLinkTable } from './client-link-table.ts';
import type { ClientOptions, RequestOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { CoapsuleError } from './errors.ts';
import { expectNoGroup } from './multicast-request.ts';
import type { RemoteServer } from './remote-server.ts';
import { type RequestRoute, requestRoute } from './request-route.ts';
import { resolveHost } from './server-address.ts';

/** Who is asked, once a link to it is there. */
export interface ReachedServer {
  readonly link: ClientLink;
  /** The options that say what is wanted of it (RFC 7252 §6.4, §5.7.2). */
  targetOptions(): OptionSet;
}

/** Whether who asked wants nothing more. An `AbortSignal` is one. */
export interface Settlement {
  readonly aborted: boolean;
}

/** URIs of which the way is remembered: programs ask for the same ones again and again. */
const mostRoutes = 256;

/** See the module comment. */
export class ServerReach {
  readonly #options: ClientOptions;
  readonly #security: ClientSecurity | undefined;
  readonly #links: ClientLinkTable;
  /** Of requests without a proxy. */
  readonly #routes = new Map<string, RequestRoute>();

  /** @param security Undefined: `coap` only. */
  constructor(options: ClientOptions, security: ClientSecurity | undefined, links: ClientLinkTable) {
    this.#options = options;
    this.#security = security;
    this.#links = links;
  }

  /**
   * Calls `send` with the link to a server, and again with the next address of its host when nobody listens at the one.
   *
   * @param text The URI of the request.
   * @param observer Told what became of the request; `send` gets one of its own to pass on.
   * @param settled When it is aborted nothing more is sent.
   * @returns rejects when there is no way to try: ApiMisuseError for a URI or proxy that cannot be, CoapsuleError without
   *          credentials or address.
   */
  async reach(
    text: string,
    proxy: RequestOptions['proxy'],
    observer: RequestObserver,
    settled: Settlement,
    send: (reached: ReachedServer, observer: RequestObserver) => void,
  ): Promise<void> {
    const route = this.#routeOf(text, proxy ?? this.#options.proxy);
    const { uri, secure } = route.hop;
    // Over a line that a listener has lent, the peer may have begun the handshake.
    if (secure && this.#security === undefined && !this.#links.isLent(uri)) {
      throw new CoapsuleError(
        'ERR_CREDENTIALS',
        this.#options.rawPublicKey === undefined
          ? `there are no credentials for ${text}`
          : `there is nothing to know ${text} by`,
        'give `psk` with identity and key, `peerPublicKeys`, or `trustAnchors` for servers with a certificate',
      );
    }
    const addresses = await resolveHost(uri, this.#options.lookUp);
    expectNoGroup(text, addresses);
    const tryAddress = async (index: number): Promise<void> => {
      const failed = (error: CoapsuleError): void => {
        const more = error.code === 'ERR_NETWORK' && index + 1 < addresses.length && !settled.aborted;
        if (more) void tryAddress(index + 1);
        else observer.failed(error);
      };
      try {
        const link = await this.#links.open(uri, addresses[index] as string);
        if (settled.aborted) return;
        const targetOptions = (): OptionSet => route.targetOptions(destinationOf(link.server));
        send(
          { link, targetOptions },
          { response: (response, final) => observer.response(response, final), failed },
        );
      } catch (error) {
        // An ApiMisuseError of `send` belongs to the caller as well: it ends the request.
        failed(error as CoapsuleError);
      }
    };
    await tryAddress(0);
  }

  #routeOf(text: string, proxy: RequestOptions['proxy']): RequestRoute {
    // What a serial line is called may change with what is plugged in.
    if ((proxy !== undefined && proxy !== false) || hasSerialScheme(text)) return requestRoute(text, proxy);
    const known = this.#routes.get(text);
    if (known !== undefined) return known;
    const route = requestRoute(text, false);
    if (this.#routes.size >= mostRoutes) this.#routes.clear();
    this.#routes.set(text, route);
    return route;
  }
}

/** RFC 8323 §8.5: TLS and WebSocket tell the host name before the first request. */
function destinationOf({ transport, secure, address, host, serverName }: RemoteServer): UriDestination {
  if (transport === 'udp' || transport === 'serial') return address;
  const name = transport === 'websocket' ? host : secure ? serverName : undefined;
  return { host: address.host, port: address.port, name };
}

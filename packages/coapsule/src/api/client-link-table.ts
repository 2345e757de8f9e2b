/**
 * The links of a client: one for each server that it talks to, the one used longest ago first.
 *
 * Which server a URI names, and the order of a host's addresses, are in server-address.ts and server-reach.ts.
 *
 * @module
 */

import { serialScheme } from '../core/coap/serial-uri.ts';
import { transportOf } from '../core/coap/uri.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { ipAddress } from '../core/foundation/peer-address.ts';
import type { ActiveObservation } from '../core/request-response/request-response-layer.ts';
import { devicePath, SerialFailure, serialAddress } from '../node/serial-device.ts';
import { ClientEndpoint } from './client-endpoint.ts';
import type { ClientLink } from './client-link.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { StreamClient } from './client-stream.ts';
import { CoapsuleError } from './errors.ts';
import type { BorrowedLine, Borrower } from './line-loan.ts';
import type { RemoteServer, SerialServer } from './remote-server.ts';
import { type LineAddress, namedLine } from './serial-line.ts';
import type { SerialLineStatus } from './serial-options.ts';
import { resolveHost } from './server-address.ts';
import { isSecureTarget, isSerialTarget, type TargetUri } from './target-uri.ts';

/** See the module comment. */
export class ClientLinkTable {
  readonly #options: ClientOptions;
  readonly #security: ClientSecurity | undefined;
  /** By server and name; the Map's order is the order of last use. */
  readonly #links = new Map<string, Promise<ClientLink>>();
  /** Keys of those on lines of listeners. */
  readonly #lent = new Set<string>();
  /** By key, those that are in the table no more and have not ended yet. */
  readonly #ending = new Map<string, Promise<unknown>>();
  readonly #maxServers: number;
  #closed = false;

  /**
   * @param security Undefined: `coap` only.
   * @throws ApiMisuseError for a `maxServers` that cannot be.
   */
  constructor(options: ClientOptions, security: ClientSecurity | undefined) {
    const { maxServers = Infinity } = options;
    if (!(maxServers >= 1)) throw new ApiMisuseError(`maxServers is ${maxServers}; expected 1 or more`);
    this.#maxServers = maxServers;
    this.#options = options;
    this.#security = security;
  }

  /**
   * The link to the server of a URI at one address of its host; opened where there is none.
   *
   * @param host An IP address, or that of a line.
   * @returns rejects with a CoapsuleError: `ERR_NETWORK` when there can be no socket, `ERR_BUSY` when `maxServers` are in
   *          use, `ERR_CLOSED`.
   */
  async open(uri: TargetUri, host: string): Promise<ClientLink> {
    const { key, server } = this.#remote(uri, host);
    const before = this.#links.get(key);
    if (server.transport === 'serial') await this.#freeLine(key, server, before);
    // Others may have come while room was made.
    while (!this.#links.has(key) && this.#links.size >= this.#maxServers) await this.#makeRoom();
    if (this.#closed) throw new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client');
    const known = this.#links.get(key);
    // Whoever came meanwhile may have opened the line at another rate, or without security.
    if (known && known !== before && server.transport === 'serial') return this.open(uri, host);
    if (known) {
      // Behind all others again.
      this.#links.delete(key);
      this.#links.set(key, known);
      return known;
    }
    const opening = this.#open(server).catch((cause: NodeJS.ErrnoException) => {
      this.#links.delete(key);
      if (cause instanceof ApiMisuseError) throw cause;
      if (cause instanceof SerialFailure) {
        throw new CoapsuleError('ERR_NETWORK', cause.message, cause.nextStep, { cause });
      }
      throw new CoapsuleError(
        'ERR_NETWORK',
        `no socket to ${server.address.key} (${cause.code ?? cause.message})`,
        'check the address, and the local address in `bind`',
        { cause },
      );
    });
    this.#links.set(key, opening);
    return opening;
  }

  /** The link to the server of a URI where there is one, at the address that its host has first. */
  async known(uri: TargetUri): Promise<ClientLink | undefined> {
    const [host] = await resolveHost(uri, this.#options.lookUp);
    return this.#links.get(this.#remote(uri, host as string).key);
  }

  /** Observations that are active, on all links. */
  async activeObservations(): Promise<readonly ActiveObservation[]> {
    const links = await Promise.allSettled(this.#links.values());
    return links.flatMap((one) => (one.status === 'fulfilled' ? one.value.activeObservations() : []));
  }

  /** Whether it is a serial line that a listener has lent. */
  isLent(uri: TargetUri): boolean {
    return isSerialTarget(uri) && this.#lent.has(this.#remoteLine(uri).key);
  }

  /** The serial lines among them, with what is known of each. */
  async lines(): Promise<SerialLineStatus[]> {
    const links = await Promise.allSettled(this.#links.values());
    return links.flatMap((one) => (one.status === 'fulfilled' ? (one.value.lineStatus ?? []) : []));
  }

  /** Ends a link that nobody uses: its socket would keep the process alive. The next request opens another one. */
  async closeIdle(uri: TargetUri, host: string, link: ClientEndpoint): Promise<void> {
    await waitersHaveTheirSocket();
    if (!link.isIdle || this.#closed) return;
    const { key } = this.#remote(uri, host);
    this.#links.delete(key);
    await this.#end(key, Promise.resolve(link));
  }

  /** How it takes the line of a listener. */
  get borrower(): Borrower {
    return {
      credentials: this.#security?.credentials,
      borrow: (address, listener) => this.#borrow(address, listener),
    };
  }

  #borrow(line: LineAddress, listener: Parameters<Borrower['borrow']>[1]): BorrowedLine {
    const { key, server } = this.#remoteLine(line);
    if (this.#links.has(key)) {
      throw new ApiMisuseError(
        `the client has ${server.address.host} open already: let the server listen before the first request`,
      );
    }
    const endpoint = ClientEndpoint.onLine(server, this.#options, this.#security, listener);
    const link = Promise.resolve(endpoint);
    this.#links.set(key, link);
    this.#lent.add(key);
    return {
      output: (output) => endpoint.output(output),
      end: () => {
        this.#lent.delete(key);
        if (this.#links.get(key) === link) this.#links.delete(key);
        return endpoint.close();
      },
    };
  }

  /** Ends all links, and waits for those that end already; none can be had any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const links = [...this.#links];
    this.#links.clear();
    for (const [key, opening] of links) void this.#end(key, opening);
    await Promise.all(this.#ending.values());
  }

  /** Closes a link that is in the table no more. */
  #end(key: string, opening: Promise<ClientLink>): Promise<unknown> {
    const closed = opening.then(
      (link) => link.close(),
      () => undefined,
    );
    // One that was there before it may be ending still.
    const ended: Promise<unknown> = Promise.all([this.#ending.get(key), closed]).finally(() => {
      if (this.#ending.get(key) === ended) this.#ending.delete(key);
    });
    this.#ending.set(key, ended);
    return ended;
  }

  /** Ends what was not used for longest until one more server can be had; rejects when all are in use. */
  async #makeRoom(): Promise<void> {
    for (const [key, opening] of [...this.#links]) {
      if (this.#links.size < this.#maxServers) return;
      const link = await opening.catch(() => undefined);
      await waitersHaveTheirSocket();
      if (link?.isUnused !== true || this.#links.get(key) !== opening) continue;
      this.#links.delete(key);
      await this.#end(key, opening);
    }
    if (this.#links.size >= this.#maxServers && !this.#closed) {
      throw new CoapsuleError(
        'ERR_BUSY',
        `requests to ${this.#maxServers} servers are under way`,
        'wait for some of them to end, or give a larger maxServers',
      );
    }
  }

  /** A device is open once: what is open at another rate, or with other security, goes, unless it is in use. */
  async #freeLine(
    key: string,
    { scheme, line }: SerialServer,
    opening: Promise<ClientLink> | undefined,
  ): Promise<void> {
    await this.#ending.get(key);
    const link = await opening?.catch(() => undefined);
    if (opening === undefined || link === undefined || link.server.transport !== 'serial') return;
    const { server } = link;
    if (server.scheme === scheme && server.line.baudRate === line.baudRate) return;
    await waitersHaveTheirSocket();
    if (!link.isUnused) {
      throw new CoapsuleError(
        'ERR_BUSY',
        `${server.address.host} is in use as ${server.scheme} with ${server.line.baudRate} baud`,
        'use that scheme and rate, or wait for its requests to end',
      );
    }
    if (this.#links.get(key) === opening) this.#links.delete(key);
    await this.#end(key, opening);
  }

  #remoteLine(address: LineAddress): { key: string; server: SerialServer } {
    const line = namedLine(address, this.#options);
    const server = {
      scheme: serialScheme(line.secure),
      transport: 'serial',
      secure: line.secure,
      address: serialAddress(devicePath(line.device)),
      host: serialAddress(devicePath(line.device)).host,
      serverName: this.#options.serverName,
      line,
    } as const;
    return { key: server.address.key, server };
  }

  #remote(uri: TargetUri, host: string): { key: string; server: RemoteServer } {
    if (isSerialTarget(uri)) return this.#remoteLine(uri);
    const { scheme } = uri;
    const address = ipAddress(host, uri.port);
    const serverName = this.#options.serverName ?? (uri.hostIsIpLiteral ? undefined : uri.host);
    // Keys and pins are for the host of the URI, whatever `serverName` is and whoever shares the address.
    const name = uri.hostIsIpLiteral ? '' : uri.host;
    const key = `${scheme} ${address.key} ${name} ${serverName ?? ''}`;
    const secure = isSecureTarget(uri);
    return {
      key,
      server: { scheme, transport: transportOf(scheme), secure, address, host: uri.host, serverName },
    };
  }

  async #open(server: RemoteServer): Promise<ClientLink> {
    return server.transport === 'udp' || server.transport === 'serial'
      ? ClientEndpoint.open(server, this.#options, this.#security)
      : new StreamClient(server, this.#options, this.#security);
  }
}

/** Requests that waited for the socket have it after this. */
function waitersHaveTheirSocket(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Requests that a server makes to those who asked it, over the same socket or line and the same association: what devices
 * that no other way leads to call "call home".
 *
 * RFC 7252 §2: an endpoint may be client and server at once. Nobody else is asked: when the association is gone, the
 * request fails, and a peer that is somewhere else by now (RFC 9146 §6) is asked there.
 *
 * @module
 */

import type { Method } from '../core/coap/code.ts';
import type { Endpoint } from '../core/endpoint/endpoint.ts';
import type { RequestId } from '../core/endpoint/outputs.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { Driver, DriverOutput } from '../node/driver.ts';
import { awaitedAnswer } from './awaited-exchange.ts';
import {
  type RequestContentOptions,
  type RequestOptions,
  requestContentOptionNames,
} from './client-options.ts';
import { CoapsuleError } from './errors.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';
import { pathRequest } from './outgoing-request.ts';
import type { PeerInfo } from './peer-info.ts';
import { PendingRequests } from './pending-requests.ts';
import type { RemoteServer } from './remote-server.ts';
import { requestError } from './request-error.ts';
import type { Response } from './response.ts';

/** What a request to the sender of a request may have; as in `RequestOptions`. */
export type ReversedRequestOptions = RequestContentOptions &
  Pick<RequestOptions, 'confirmable' | 'blockSize' | 'signal' | 'timeoutMs' | 'whenBusy'>;

const optionNames: OptionNames<Required<ReversedRequestOptions>> = {
  ...requestContentOptionNames,
  confirmable: true,
  blockSize: true,
  signal: true,
  timeoutMs: true,
  whenBusy: true,
};

/** What the listener knows of its peers. */
interface Peers {
  /** Where a peer is now; undefined when its association is gone. */
  addressOf(peer: PeerInfo): PeerAddress | undefined;
  /** The peer at an address as the server of a request. */
  serverAt(address: PeerAddress): RemoteServer;
}

/** See the module comment. */
export class ReversedRequests {
  readonly #driver: Driver;
  readonly #peers: Peers;
  readonly #pending: PendingRequests<Endpoint>;
  /** Whom each request went to, for the words of an error. */
  readonly #asked = new Map<RequestId, { readonly peer: PeerInfo; readonly server: RemoteServer }>();

  constructor(driver: Driver, peers: Peers) {
    this.#driver = driver;
    this.#peers = peers;
    this.#pending = new PendingRequests(driver);
  }

  /**
   * Asks the sender of a request.
   *
   * @param path Path and query of a resource of the peer, such as `/.well-known/core?rt=light`.
   * @throws ApiMisuseError (rejects) for a path or option that cannot be; CoapsuleError when no response came.
   */
  async ask(
    peer: PeerInfo,
    method: Method,
    path: string,
    options: ReversedRequestOptions,
  ): Promise<Response> {
    expectKnownOptions(`ask ${method}`, options, optionNames);
    const { oscore } = peer;
    const content = pathRequest(method, path, { ...options, ...(oscore && { oscore }) });
    const address = this.#driver.closed ? undefined : this.#peers.addressOf(peer);
    if (address === undefined) {
      throw new CoapsuleError(
        'ERR_ASSOCIATION_CLOSED',
        `${peer.address.key} is not connected any more`,
        'wait until it asks again',
      );
    }
    const server = this.#peers.serverAt(address);
    return awaitedAnswer(`${address.key}${path}`, options, (observer) => {
      let request: RequestId | undefined;
      const giveUp = this.#pending.start(
        observer,
        (endpoint, now) => {
          request = endpoint.request(address, content, now);
          this.#asked.set(request, { peer, server });
          return request;
        },
        content.body,
      );
      return () => {
        if (request !== undefined) this.#asked.delete(request);
        giveUp();
      };
    });
  }

  /** Takes an output of the endpoint that is for who asks. */
  output(output: DriverOutput): void {
    switch (output.kind) {
      case 'response':
      case 'response-body':
      case 'response-body-aborted':
      case 'sent': {
        const asked = this.#asked.get(output.request);
        if (asked === undefined) return;
        this.#asked.delete(output.request);
        this.#pending.take(output, asked.peer);
        return;
      }
      case 'request-failed': {
        const asked = this.#asked.get(output.request);
        if (asked === undefined) return;
        this.#asked.delete(output.request);
        this.#pending.failed(output.request, (cause) =>
          requestError(output.error, asked.server, { cause, advice: undefined }),
        );
        return;
      }
      default:
        return;
    }
  }

  /** The listener closes: what waits for an answer fails. */
  close(): void {
    this.#asked.clear();
    this.#pending.failAll(new CoapsuleError('ERR_CLOSED', 'the server was closed', 'nothing'));
  }
}

/**
 * A client's endpoint towards one server: a connected socket or a serial line of its own, or the line that a listener serves
 * on, and the requests that wait for answers.
 *
 * @module
 */

import type { MessagePurpose } from '../core/coap/message-purpose.ts';
import type { AssociationId } from '../core/dtls/dtls-output.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { OutgoingRequest, RequestError, RequestId } from '../core/endpoint/outputs.ts';
import type { AdviceRule } from '../core/endpoint/trace-event.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { PeerTraffic } from '../core/message-layer/message-layer.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import { systemRandom } from '../node/system-random.ts';
import { feedBody } from './body-feed.ts';
import type { ClientLink, GiveUp, RequestObserver } from './client-link.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { coreConfig, warnOfPayload } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import {
  type ExportAssociationOptions,
  type ImportAssociationOptions,
  refusedAssociation,
  unstoredAssociation,
} from './kept-association.ts';
import { protectedContent, storeContext } from './oscore-context.ts';
import { newAssociationPrefix, type PeerInfo } from './peer-info.ts';
import type { VerificationPolicy } from './peer-verification.ts';
import { PendingRequests } from './pending-requests.ts';
import { adviceTexts, type SendOptions, type SendPlan, TrafficHabits } from './purposeful-sending.ts';
import type { RemoteServer, SerialServer } from './remote-server.ts';
import { defectError, requestError, unreachableError } from './request-error.ts';
import { pskIdentityBytes, SecuredServer } from './secured-server.ts';
import { SerialLine } from './serial-line.ts';
import type { SerialLineStatus } from './serial-options.ts';

/** What an endpoint stands on. */
interface Ground {
  readonly driver: Driver;
  readonly line?: SerialLine | undefined;
  /** The driver is that of a listener, which ends it. */
  readonly isShared: boolean;
  /** See `newAssociationPrefix`. */
  readonly prefix: string;
}

/** See the module comment. Made by `open`, or by `onLine`. */
export class ClientEndpoint implements ClientLink {
  readonly server: RemoteServer;
  readonly #options: ClientOptions;
  readonly #driver: Driver;
  readonly #line: SerialLine | undefined;
  readonly #isShared: boolean;
  readonly #pending: PendingRequests<Endpoint>;
  readonly #secured: SecuredServer;
  readonly #habits = new TrafficHabits();
  /** Whether anything was ever received from the server. */
  #heard = false;
  /** The association in use, and the generation of what is kept of it. */
  #association: AssociationId | undefined;
  #generation = 0;

  static async open(
    server: RemoteServer,
    options: ClientOptions,
    security: ClientSecurity | undefined,
  ): Promise<ClientEndpoint> {
    const line = server.transport === 'serial' ? new SerialLine(server.line, options) : undefined;
    const plain = coreConfig(options, server.secure ? 'dtls' : 'none', 'client', line?.config);
    // What it refuses is told before anything is open.
    const policy = security?.policy(server);
    const keepAssociations = options.keepAssociation !== undefined;
    const requestResponse = { ...plain.requestResponse, requestQBlocks: options.qBlock === true };
    const config = { ...plain, requestResponse, dtls: { ...plain.dtls, keepAssociations } };
    const endpoint = new Endpoint({
      config:
        security === undefined
          ? config
          : { ...config, dtls: { ...config.dtls, credentials: security.credentials } },
      random: systemRandom,
      crypto: fastCrypto(),
    });
    let opened: ClientEndpoint | undefined;
    const driver = await Driver.open({
      endpoint,
      socket: line?.open ?? {
        ...(options.bind?.host === undefined ? {} : { host: options.bind.host }),
        ...(options.bind?.port === undefined ? {} : { port: options.bind.port }),
        remote: server.address,
      },
      onOutput: (output) => {
        if (opened) opened.output(output);
      },
      onDefect: (error) => {
        if (opened) opened.#failAll(defectError(error));
      },
      onUnreachable: (error) => {
        if (opened) opened.#unreachable(error);
      },
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.lossRate === undefined ? {} : { lossRate: options.lossRate }),
      ...(options.duplicateRate === undefined ? {} : { duplicateRate: options.duplicateRate }),
    });
    opened = new ClientEndpoint(
      server,
      options,
      { driver, line, isShared: false, prefix: newAssociationPrefix() },
      policy,
    );
    return opened;
  }

  /** On the line of a listener, which passes on the outputs that are for a client. */
  static onLine(
    server: SerialServer,
    options: ClientOptions,
    security: ClientSecurity | undefined,
    listener: Required<Omit<Ground, 'isShared' | 'line'>> & { readonly line: SerialLine },
  ): ClientEndpoint {
    return new ClientEndpoint(server, options, { ...listener, isShared: true }, security?.policy(server));
  }

  private constructor(
    server: RemoteServer,
    options: ClientOptions,
    { driver, line, isShared, prefix }: Ground,
    policy: VerificationPolicy | undefined,
  ) {
    this.server = server;
    this.#options = options;
    this.#driver = driver;
    this.#line = line;
    this.#isShared = isShared;
    this.#pending = new PendingRequests(driver);
    const { psk } = options;
    const isNamed = line === undefined;
    this.#secured = new SecuredServer({ server, driver, psk, policy, prefix, isNamed });
  }

  /** Whether no request and no observation is under way, and nobody else needs the line. */
  get isUnused(): boolean {
    return this.#pending.size === 0 && !this.#isShared;
  }

  /** Whether nothing is under way, and there is no association. */
  get isIdle(): boolean {
    return this.isUnused && this.#association === undefined;
  }

  /** Observations of this server, by token (requirement G06). */
  activeObservations(): ReturnType<Endpoint['activeObservations']> {
    return this.#driver.run((endpoint) => endpoint.activeObservations());
  }

  /** Decides how a message with a purpose goes (`purposeful-sending.ts`). */
  plan(purpose: MessagePurpose, options: SendOptions): SendPlan {
    const plan = this.#habits.plan(purpose, options, this.traffic().lossRate);
    for (const rule of plan.advice) this.#advise(rule);
    return plan;
  }

  /**
   * Sends a request; returns how to give it up.
   *
   * @param isPlanned Whether its type was chosen by its purpose.
   */
  request(content: OutgoingRequest, observer: RequestObserver, isPlanned = false): GiveUp {
    this.#line?.expectRoomFor(content);
    const rule = isPlanned ? undefined : this.#habits.look(content);
    const request = protectedContent(content, this.#options.oscore);
    if (rule !== undefined) this.#advise(rule);
    const { host } = this.server;
    warnOfPayload(this.#options, content.body?.length ?? content.payload.length, `the request to ${host}`);
    return this.#pending.start(
      observer,
      (endpoint, now) => endpoint.request(this.server.address, request, now, this.server.serverName),
      content.body,
    );
  }

  #advise(rule: AdviceRule): void {
    const { address } = this.server;
    this.#options.trace?.({ kind: 'advice', address, rule, detail: adviceTexts[rule] });
  }

  /** Sends a ping (RFC 7252 §4.3); the observer gets a response without meaning when it is answered. */
  ping(observer: RequestObserver): () => void {
    return this.#pending.start(observer, (endpoint, now) =>
      endpoint.ping(this.server.address, now, this.server.serverName),
    );
  }

  /** What is on its way to the server, and what waits. */
  traffic(): PeerTraffic {
    return this.#driver.run((endpoint, now) => endpoint.traffic(this.server.address, now));
  }

  /** Goes on with an association that an earlier process, or this one before it slept, has exported. */
  importAssociation(state: Uint8Array, { leastGeneration = 0 }: ImportAssociationOptions): void {
    const { psk } = this.#options;
    const identity = typeof psk === 'object' ? pskIdentityBytes(psk) : undefined;
    this.#generation = leastGeneration;
    const result = this.#driver.run((endpoint, now) =>
      endpoint.importAssociation(
        state,
        this.server.address,
        { leastGeneration, ...(identity === undefined ? {} : { identity }) },
        now,
      ),
    );
    if (typeof result === 'string') throw refusedAssociation(result);
  }

  /** Ends the association silently and returns it; what waits fails. */
  exportAssociation({ generation = this.#generation }: ExportAssociationOptions): Uint8Array | undefined {
    const association = this.#association;
    if (association === undefined || this.#driver.closed) return undefined;
    return this.#driver.run((endpoint, now) => endpoint.exportAssociation(association, generation, now));
  }

  /** The numbers up to `writeFrom` belong to this process: whoever takes the copy uses later ones. */
  #keep(association: AssociationId, writeFrom: number): void {
    const generation = this.#generation;
    this.#driver.run((endpoint, now) => {
      const state = endpoint.copyAssociation(association, { generation, writeFrom });
      if (state === undefined) return;
      try {
        this.#options.keepAssociation?.(state, this.#keptServer());
      } catch (error) {
        this.#failAll(unstoredAssociation(error));
        return;
      }
      endpoint.reservationStored(association, writeFrom, now);
    });
  }

  #keptServer(): { readonly host: string; readonly port: number } {
    return { host: this.server.host, port: this.server.address.port };
  }

  /** The serial line that it is on. */
  get lineStatus(): SerialLineStatus | undefined {
    return this.#line?.status();
  }

  /** What looks wrong with the way to the server, where that can be known. */
  get diagnosis(): string | undefined {
    return this.#line?.diagnosis;
  }

  /** Ends the association and fails what still waits; of a listener's line, fails what waits and no more. */
  async close(): Promise<void> {
    this.#failAll(new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client'));
    if (!this.#isShared) await this.#driver.close();
  }

  /** What the core says. */
  output(output: DriverOutput): void {
    switch (output.kind) {
      case 'response':
      case 'pong':
        this.#heard = true;
        this.#pending.take(output, this.#peer());
        return;
      case 'response-body':
      case 'response-body-aborted':
      case 'sent':
        this.#pending.take(output, this.#peer());
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, () => undefined);
        return;
      case 'request-failed':
        this.#failed(output.request, output.error);
        return;
      case 'psk-lookup':
      case 'verify-peer':
        this.#heard = true;
        this.#secured.answer(output);
        return;
      case 'connected':
        // For an association that was taken over nothing came in.
        if (output.imported !== true) this.#heard = true;
        this.#association = output.association;
        this.#secured.connected(output);
        this.#pending.connected();
        return;
      case 'keylog':
        this.#options.keylog?.(output.line);
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      case 'reserve-sequence':
        this.#keep(output.association, output.upTo);
        return;
      case 'closed':
        if (output.association !== this.#association) return;
        this.#association = undefined;
        if (output.reason !== 'exported') this.#options.keepAssociation?.(undefined, this.#keptServer());
        return;
      case 'store-context':
        void storeContext(this.#driver, output, () => undefined);
        return;
      case 'keep-association':
      case 'advance-edge':
      case 'handshake-failed':
      case 'request':
      case 'request-body':
      case 'exchange-ended':
        // A failed handshake comes back as a failed request; this client serves no requests.
        return;
    }
  }

  #failed(request: RequestId, error: RequestError): void {
    const unknown = error.kind === 'handshake' && error.failure.cause === 'no-credentials';
    this.#pending.failed(
      request,
      (cause) =>
        (unknown && this.#secured.missingCredential) ||
        requestError(error, this.server, { cause, advice: this.#adviceFor(error) }),
    );
  }

  #adviceFor(error: RequestError): string | undefined {
    return error.kind === 'handshake' ? this.#line?.handshakeAdvice(error.failure) : this.diagnosis;
  }

  /**
   * Ends everything that is under way, in the core as well: what was reported as failed must not run later. An
   * association that is spared goes on: the server, or the next one at its place, may still have it.
   */
  #failAll(error: CoapsuleError, spared?: AssociationId): void {
    const closeAll = (endpoint: Endpoint, now: Instant): void => endpoint.closeAll(now);
    this.#pending.failAll(error, spared === undefined && !this.#isShared ? closeAll : undefined);
  }

  /** ICMP says that nobody listens. Anybody can say so: it counts only while the server was never heard. */
  #unreachable(error: NodeJS.ErrnoException): void {
    if (!this.#heard) this.#failAll(unreachableError(this.server, error), this.#association);
  }

  #peer(): PeerInfo {
    const { address, transport } = this.server;
    return { address, transport, security: this.#secured.security };
  }
}

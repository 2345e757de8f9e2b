/**
 * An HTTP server that is asked for a client of CoAP: the connection, what is proved to it, and how long it may take.
 *
 * HTTP is spoken by `node:http` and `node:https`, which are loaded with the first request: most gateways ask nobody. Redirects are
 * not followed, and nothing is decompressed.
 */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { AllowedAddresses } from 'coapsule';
import type { HttpQuestion } from './coap-to-http.ts';

/** What the gateway proves itself with to HTTP servers; files are read already. */
export interface HttpCredentials {
  /** Value of the Authorization header: `Bearer …` or `Basic …`. */
  readonly authorization?: string;
  /** PEM; the gateway's own certificate and key. */
  readonly certificate?: string;
  readonly privateKey?: string;
  readonly passphrase?: string;
  /** PEM; authorities of the server, instead of those of the system. */
  readonly authorities?: string;
}

/** What an upstream may be told. */
export interface HttpUpstreamOptions {
  readonly credentials?: HttpCredentials;
  /** Which addresses its servers may have; without it, any: it is named by who runs the gateway. */
  readonly addresses?: AllowedAddresses;
  /** How long a reply may take to begin. */
  readonly timeoutMs: number;
  /** How long each part of its body may take to come; as long as that by default. */
  readonly idleMs?: number;
  /** Named in Via (RFC 9110 §7.6.3). */
  readonly name: string;
}

/** Why there is no reply that can be passed on. */
export type HttpFailureCause =
  /** Nobody answered in time, or nobody is there. */
  | 'silent'
  /** What came is no HTTP, was cut off, or TLS could not be agreed. */
  | 'garbage'
  /** The address is not one that may be asked, or the name is not known: which of both is not told. */
  | 'forbidden'
  /** Nobody waits for it any more. */
  | 'abandoned';

/** A request without a reply. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly reason: HttpFailureCause;

  constructor(reason: HttpFailureCause, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.reason = reason;
  }
}

/** Connections to one server that wait for the next request. */
const mostIdle = 8;
/** Connections to one server. */
const mostConnections = 64;

/** Headers of one reply, in bytes. */
const mostHeaderBytes = 32 * 1024;

/** See the file comment. Its connections are kept for the next request. */
export class HttpUpstream {
  readonly #options: HttpUpstreamOptions;
  #pools: Promise<Pools> | undefined;

  constructor(options: HttpUpstreamOptions) {
    this.#options = options;
  }

  /**
   * Asks, and gives the reply as soon as its headers are there; the body is read by the caller, or destroyed.
   *
   * @param body Bytes, or what is read as it comes.
   * @throws HttpFailure (rejects).
   */
  async ask(
    url: URL,
    question: HttpQuestion,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { addresses } = this.#options;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (addresses !== undefined && isIP(host) !== 0 && !addresses.allows(host))
      throw new HttpFailure('forbidden', new Error('the address is not of the public Internet'));
    try {
      return await this.#askOnce(url, question, body, signal);
    } catch (error) {
      // The server closed a connection that was kept at the moment that it was used again (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
      const isRepeatable = question.method === 'GET' && body instanceof Uint8Array;
      if (!isRepeatable || !(error instanceof ReusedConnection)) throw failureOf(error, signal);
    }
    try {
      return await this.#askOnce(url, question, body, signal);
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  /** Connections end. */
  async close(): Promise<void> {
    const pools = await this.#pools;
    pools?.plain.agent.destroy();
    pools?.secured.agent.destroy();
  }

  async #askOnce(
    url: URL,
    { method, headers }: HttpQuestion,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { credentials, timeoutMs, idleMs = timeoutMs, name } = this.#options;
    this.#pools ??= openPools(this.#options);
    const { plain, secured } = await this.#pools;
    const pool = url.protocol === 'https:' ? secured : plain;
    const patience = AbortSignal.timeout(timeoutMs);
    const begun = new AbortController();
    const whole = body instanceof Uint8Array;
    const request = pool.request(url, {
      method,
      agent: pool.agent,
      maxHeaderSize: mostHeaderBytes,
      // Until the reply begins; then each part of it has its time.
      signal: AbortSignal.any([signal, begun.signal]),
      headers: {
        ...headers,
        // What is compressed has no content format in CoAP.
        'accept-encoding': 'identity',
        via: `1.1 ${name}`,
        ...(credentials?.authorization !== undefined && { authorization: credentials.authorization }),
        ...(whole && (body.length > 0 || method !== 'GET') && { 'content-length': body.length }),
      },
    });
    const expired = (): void => begun.abort(new HttpFailure('silent', new Error('no reply in time')));
    patience.addEventListener('abort', expired);
    const answered = Promise.withResolvers<IncomingMessage>();
    request.on('response', answered.resolve);
    request.on('error', (error) => {
      answered.reject(request.reusedSocket && isReset(error) ? new ReusedConnection(error) : error);
    });
    if (whole) request.end(body);
    // A server may answer before it has read all.
    else pipeline(body, request).catch(answered.reject);
    try {
      const reply = await answered.promise;
      reply.setTimeout(idleMs, () => reply.destroy(new Error('the rest of the body did not come in time')));
      return reply;
    } catch (error) {
      request.destroy();
      throw begun.signal.aborted ? begun.signal.reason : error;
    } finally {
      patience.removeEventListener('abort', expired);
    }
  }
}

/** Connections of one kind, and how to send over them. */
interface Pool {
  readonly agent: Agent;
  readonly request: (url: URL, options: RequestOptions) => ClientRequest;
}

interface Pools {
  readonly plain: Pool;
  readonly secured: Pool;
}

async function openPools({ credentials = {}, addresses }: HttpUpstreamOptions): Promise<Pools> {
  const [http, https] = await Promise.all([import('node:http'), import('node:https')]);
  const shared = {
    ...{ keepAlive: true, maxFreeSockets: mostIdle, maxSockets: mostConnections },
    ...(addresses !== undefined && { lookup: judgedLookup(addresses) }),
  };
  const { certificate, privateKey, passphrase, authorities } = credentials;
  const agent = new https.Agent({
    ...shared,
    ...(certificate !== undefined && { cert: certificate }),
    ...(privateKey !== undefined && { key: privateKey }),
    ...(passphrase !== undefined && { passphrase }),
    ...(authorities !== undefined && { ca: authorities }),
  });
  return {
    plain: { agent: new http.Agent(shared), request: http.request },
    secured: { agent, request: https.request },
  };
}

/** A connection that was kept turned out to be closed. */
class ReusedConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function isReset(error: Error): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Codes of the system for a server that is not there. */
const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
]);

function failureOf(error: unknown, signal: AbortSignal): HttpFailure {
  if (error instanceof HttpFailure) return error;
  if (signal.aborted) return new HttpFailure('abandoned', error);
  // Of several addresses that were tried.
  const all = error instanceof AggregateError ? error.errors : [error];
  const codes = all.map(codeOf);
  if (codes.some((code) => code === 'ERR_ADDRESS' || code === 'ENOTFOUND'))
    return new HttpFailure('forbidden', error);
  const [first = error] = all;
  return new HttpFailure(codes.some((code) => unreachable.has(code)) ? 'silent' : 'garbage', first);
}

/** The addresses that were judged are the ones that are used. */
function judgedLookup(addresses: AllowedAddresses): LookupFunction {
  return (host, options, callback) => {
    addresses.lookUp(host).then(
      (found) => {
        const all = found.map((address) => ({ address, family: isIP(address) }));
        const [first] = all;
        if (options.all === true) callback(null, all);
        else if (first === undefined)
          callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };
}

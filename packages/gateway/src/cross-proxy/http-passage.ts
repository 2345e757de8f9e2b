/**
 * A request of CoAP to an HTTP server, and the reply back (RFC 7252 §10.1): what forward- and reverse-proxies have in common.
 *
 * Bodies pass as they come, in both directions; a short one is read whole first, so that one that is cut off becomes 5.02.
 * Nothing is kept: an HTTP server says with Max-Age and ETag what its clients may keep.
 */
import type { IncomingMessage } from 'node:http';
import {
  Code,
  failure,
  OptionNumber,
  type ProxyAnswerSource,
  type Request,
  type ServerResponse,
} from 'coapsule';
import { coapReply, httpQuestion, isUnnamedCoding, type ResponseHeaders } from './coap-to-http.ts';
import { EntityTags } from './entity-tags.ts';
import { HttpFailure, type HttpUpstream } from './http-upstream.ts';

/** Is told why a server was of no use; what its client is told says less. */
export type OnHttpFailure = (url: URL, failure: HttpFailure) => void;

/** Longest body that is read before anything of it is passed on, in bytes. */
const shortBody = 16 * 1024;

/** See the file comment. */
export class HttpPassage {
  readonly #tags = new EntityTags();
  readonly #name: string;
  readonly #now: () => number;
  readonly #onFailure: OnHttpFailure;
  readonly #onAnswer: (source: ProxyAnswerSource) => void;

  /** @param name How the gateway is called in Via and in 5.08. */
  constructor(
    name: string,
    now: () => number,
    onFailure: OnHttpFailure,
    onAnswer: (source: ProxyAnswerSource) => void,
  ) {
    this.#onAnswer = onAnswer;
    this.#name = name;
    this.#now = now;
    this.#onFailure = onFailure;
  }

  /** Never rejects for what the server does. */
  async pass(request: Request, url: URL, upstream: HttpUpstream): Promise<ServerResponse> {
    const { method, options, payload, signal } = request;
    const hops = options.uint(OptionNumber.HopLimit);
    if (hops !== undefined && hops <= 1) return failure(Code.HopLimitReached, this.#name);
    const question = httpQuestion({ method, options }, this.#tags);
    if ('code' in question) return question;
    const isInBlocks =
      payload.length === 0 && (options.has(OptionNumber.Block1) || options.has(OptionNumber.QBlock1));
    const body = isInBlocks ? request.body : payload;
    let reply: IncomingMessage;
    try {
      reply = await upstream.ask(url, question, body, signal);
    } catch (error) {
      return this.#failed(url, error);
    }
    const headers: ResponseHeaders = (name) => {
      const value = reply.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    };
    const status = reply.statusCode ?? 0;
    if (status < 400 && isUnnamedCoding(headers)) {
      reply.destroy();
      return failure(
        Code.BadGateway,
        `the body is in a coding that was not asked for (${headers('content-encoding')})`,
      );
    }
    let start: BodyStart;
    try {
      start = await startOf(reply);
    } catch (error) {
      reply.destroy();
      return this.#failed(url, new HttpFailure('garbage', error));
    }
    this.#onAnswer('forwarded');
    const hasBody = start.bytes.length > 0 || !start.isWhole;
    const { response, takesBody } = coapReply(
      { status, headers, hasBody },
      { method, options, url, nowMs: this.#now() },
      this.#tags,
    );
    if (takesBody && hasBody)
      return { ...response, payload: start.isWhole ? start.bytes : rest(start, reply) };
    if (!start.isWhole) reply.destroy();
    // RFC 8768 §4: whoever passes it on adds its name.
    return response.code === Code.HopLimitReached ? { ...response, payload: this.#name } : response;
  }

  #failed(url: URL, error: unknown): ServerResponse {
    if (!(error instanceof HttpFailure)) throw error;
    if (error.reason !== 'abandoned') this.#onFailure(url, error);
    this.#onAnswer('failed');
    switch (error.reason) {
      case 'silent':
        return failure(Code.GatewayTimeout, 'the server did not answer in time');
      case 'garbage':
        return failure(Code.BadGateway, 'the server sent nothing that can be passed on');
      case 'forbidden':
        return failure(Code.ProxyingNotSupported, 'no proxy for this URI');
      case 'abandoned':
        return failure(Code.ServiceUnavailable, 'nobody waits for it');
    }
  }
}

/** The first bytes of a body, and whether these are all. */
interface BodyStart {
  readonly bytes: Uint8Array;
  readonly isWhole: boolean;
}

/** Reads a short body to its end, and of a long one the beginning. */
async function startOf(reply: IncomingMessage): Promise<BodyStart> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const announced = Number(reply.headers['content-length'] ?? 0);
  if (announced > shortBody) return { bytes: new Uint8Array(), isWhole: false };
  for (;;) {
    const part = await nextPart(reply);
    if (part === undefined) return { bytes: Buffer.concat(parts), isWhole: true };
    parts.push(part);
    length += part.length;
    if (length > shortBody) return { bytes: Buffer.concat(parts), isWhole: false };
  }
}

/** As it is asked for; cancelled before its end, also when nothing was read of it, the connection is of no use any more. */
function rest({ bytes }: BodyStart, reply: IncomingMessage): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (bytes.length > 0) controller.enqueue(bytes);
      },
      async pull(controller) {
        const part = await nextPart(reply);
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
      cancel: () => void reply.destroy(),
    },
    { highWaterMark: 0 },
  );
}

/** Not by its iterator, which destroys it when a reader pauses. */
function nextPart(reply: IncomingMessage): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      reply.off('readable', read);
      reply.off('end', ended);
      reply.off('error', failed);
      reply.off('close', closed);
      act();
    };
    const read = (): void => {
      const part: unknown = reply.read();
      if (part instanceof Uint8Array) settle(() => resolve(part));
    };
    const ended = (): void => settle(() => resolve(undefined));
    const failed = (error: Error): void => settle(() => reject(error));
    const closed = (): void =>
      settle(() => (reply.complete ? resolve(undefined) : reject(new Error('the body was cut off'))));
    if (reply.errored != null) return reject(reply.errored);
    if (reply.readableEnded) return resolve(undefined);
    if (reply.destroyed) return reject(new Error('the body was cut off'));
    reply.on('readable', read);
    reply.on('end', ended);
    reply.on('error', failed);
    reply.on('close', closed);
    read();
  });
}

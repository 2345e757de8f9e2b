/**
 * Simple registration (RFC 9176 §5.1): an endpoint asks for it with an empty request, and the directory gets the links from
 * the endpoint's own `/.well-known/core`, over the association that the endpoint began.
 *
 * That also shows, over plain `coap`, that the endpoint is where the request says that it comes from.
 */
import {
  CoapsuleError,
  Code,
  changed,
  type Handler,
  type Request,
  RequestFailure,
  type Response,
} from 'coapsule';
import type { Link } from 'coapsule/message';
import { provenDevice } from '../access/proven-device.ts';
import { ContentFormat } from '../resources/negotiation.ts';
import { registeredLinks } from './registered-links.ts';
import { registrationParameters } from './registration-parameters.ts';
import { type DirectoryContext, expectRead, register } from './registration-request.ts';

/** How long an endpoint has to answer. */
const answerMs = 20_000;

/** Endpoints whose links are remembered while they are fresh. */
const mostFresh = 1000;

interface FreshLinks {
  readonly links: readonly Link[];
  readonly untilMs: number;
}

/** The handler of `/.well-known/rd`. */
export function simpleRegistration(context: DirectoryContext, maxLinksBytes: number): Handler {
  // RFC 9176 §5.1: it SHOULD keep a cache of the discovery resource and not query it again as long as it is fresh.
  const fresh = new Map<string, FreshLinks>();
  return async (request) => {
    if (request.payload.length > 0) {
      throw new RequestFailure(
        Code.BadRequest,
        'simple registration has no payload; POST links to /rd instead',
      );
    }
    const parameters = expectRead(registrationParameters(request.query));
    if (parameters.base !== undefined) {
      throw new RequestFailure(Code.BadRequest, 'simple registration takes no base: register at /rd instead');
    }
    if (request.peer.transport !== 'udp') {
      throw new RequestFailure(
        Code.BadRequest,
        'simple registration is for UDP and DTLS: register at /rd instead',
      );
    }
    const { security, address } = request.peer;
    const hop = security.kind === 'dtls' ? security.association : address.key;
    const source = JSON.stringify([hop, provenDevice(request.peer)?.identity]);
    const now = performance.now();
    const known = fresh.get(source);
    fresh.delete(source);
    const found =
      known !== undefined && known.untilMs > now ? known : await asked(request, maxLinksBytes, now);
    fresh.set(source, found);
    for (const oldest of fresh.keys()) {
      if (fresh.size <= mostFresh) break;
      fresh.delete(oldest);
    }
    await register(context, request, parameters, found.links);
    return changed();
  };
}

async function asked(request: Request, maxLinksBytes: number, now: number): Promise<FreshLinks> {
  const response = await answered(request);
  const { contentFormat } = response;
  if (response.payload.length > maxLinksBytes) {
    throw badGateway(`it has more than ${maxLinksBytes} bytes`);
  }
  const isList = response.ok && (contentFormat === undefined || contentFormat === ContentFormat.linkFormat);
  if (!isList) throw badGateway(`it is ${response.codeText} and no list of links`);
  const links = registeredLinks(response.payload);
  if (typeof links === 'string') throw badGateway(links);
  return { links, untilMs: now + response.maxAgeSeconds * 1000 };
}

async function answered(request: Request): Promise<Response> {
  try {
    return await request.ask('GET', '/.well-known/core', {
      accept: ContentFormat.linkFormat,
      timeoutMs: answerMs,
    });
  } catch (error) {
    if (!(error instanceof CoapsuleError)) throw error;
    throw new RequestFailure(Code.GatewayTimeout, `/.well-known/core of the endpoint: ${error.message}`);
  }
}

function badGateway(cause: string): RequestFailure {
  return new RequestFailure(Code.BadGateway, `/.well-known/core of the endpoint: ${cause}`);
}

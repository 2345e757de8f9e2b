/**
 * A path of the gateway that an HTTP server serves (RFC 7252 §5.7.3, §10.1). Its address may be any: it is named by who runs
 * the gateway.
 */
import {
  Code,
  failure,
  OptionNumber,
  type ProxyAnswerSource,
  type Request,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { uriSegmentsProblem } from '../text/resource-path.ts';
import { httpPath } from './coap-to-http.ts';
import { HttpPassage, type OnHttpFailure } from './http-passage.ts';
import { type HttpCredentials, HttpUpstream } from './http-upstream.ts';

/** See the file comment. */
export interface HttpReverseProxyOptions {
  /** The path here, `/weather`. */
  readonly below: string;
  /** `http://api.example/v1`: what it stands for. */
  readonly to: string;
  readonly credentials?: HttpCredentials | undefined;
  readonly name: string;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly onFailure: OnHttpFailure;
  /** Is told where each answer comes from. */
  readonly onAnswer: (source: ProxyAnswerSource) => void;
}

/** Makes the resource; for everything below a path. */
export function httpReverseProxy(options: HttpReverseProxyOptions): Resource {
  const { below, to, credentials = {}, name, timeoutMs, now, onFailure, onAnswer } = options;
  const upstream = new HttpUpstream({ credentials, timeoutMs, name });
  const passage = new HttpPassage(name, now, onFailure, onAnswer);
  const base = new URL(to);
  const here = decodedSegments(below);
  const there = decodedSegments(base.pathname);
  const handler = async (request: Request): Promise<ServerResponse> => {
    const { segments, query } = request;
    const problem = uriSegmentsProblem(segments);
    if (problem !== undefined) return failure(Code.BadOption, problem);
    // Not relative to the base: a path that begins with an empty segment would name another server (RFC 3986 §5.2.2).
    const url = new URL(`${base.origin}${httpPath([...there, ...segments.slice(here.length)], query)}`);
    return withLocalLocation(await passage.pass(request, url, upstream), there, here);
  };
  return {
    ...{
      get: handler,
      post: handler,
      put: handler,
      delete: handler,
      fetch: handler,
      patch: handler,
      ipatch: handler,
    },
    conditional: true,
    proxy: true,
    streamRequestBody: true,
    onClose: () => upstream.close(),
  };
}

function decodedSegments(path: string): readonly string[] {
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeURIComponent);
}

/** Where something was created, as it is called here; left out when it has no name here. */
function withLocalLocation(
  response: ServerResponse,
  there: readonly string[],
  here: readonly string[],
): ServerResponse {
  const { options = [] } = response;
  const location = options
    .filter(({ number }) => number === OptionNumber.LocationPath)
    .map(({ value }) => value);
  if (location.length === 0) return response;
  if (!there.every((segment, index) => segment === location[index])) return { ...response, options: [] };
  const others = options.filter(({ number }) => number !== OptionNumber.LocationPath);
  const local = [...here, ...location.slice(there.length)];
  return {
    ...response,
    options: [...local.map((value) => ({ number: OptionNumber.LocationPath, value })), ...others],
  };
}

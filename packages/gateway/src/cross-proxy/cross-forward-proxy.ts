/**
 * The forward-proxy of the gateway with HTTP servers among those that it may ask: a request with an http or https URI goes
 * there (RFC 7252 §10.1), any other to the proxy for CoAP.
 */
import {
  AllowedAddresses,
  Code,
  failure,
  type ProxyAnswerSource,
  type ProxyHandler,
  type Request,
  type ServerResponse,
} from 'coapsule';
import { httpTarget, isForHttp } from './coap-to-http.ts';
import { HttpPassage, type OnHttpFailure } from './http-passage.ts';
import { type HttpTargetPattern, parseHttpTarget } from './http-target-rule.ts';
import { type HttpCredentials, HttpUpstream } from './http-upstream.ts';

/** An HTTP server, or several, that the proxy may ask. */
export interface HttpTarget {
  /** As http-target-rule.ts has it. */
  readonly uri: string;
  readonly credentials?: HttpCredentials | undefined;
}

/** What the proxy is made of. */
export interface CrossProxyOptions {
  readonly targets: readonly HttpTarget[];
  /** Networks that are not of the public Internet and that the servers may be in. */
  readonly networks: readonly string[];
  /** Who may use it. */
  readonly authorize: (request: Request) => boolean;
  /** Whether somebody is known: others are told 4.01 and not 4.03. */
  readonly isKnown: (request: Request) => boolean;
  /** Names of the gateway itself, where there is no proxy for CoAP that has them. */
  readonly names: readonly string[];
  /** How it is called in Via. */
  readonly name: string;
  readonly timeoutMs?: number;
  readonly now: () => number;
  readonly onFailure: OnHttpFailure;
  /** Is told where each answer comes from. */
  readonly onAnswer: (source: ProxyAnswerSource) => void;
}

/** As for CoAP servers. */
export const httpTimeoutMs = 60_000;

/**
 * Puts HTTP before the proxy for CoAP, if there is one.
 *
 * @throws ApiMisuseError for a network that is none; of targets all must have been understood before.
 */
export function crossForwardProxy(coap: ProxyHandler | undefined, options: CrossProxyOptions): ProxyHandler {
  const {
    targets,
    networks,
    names,
    authorize,
    isKnown,
    name,
    timeoutMs = httpTimeoutMs,
    now,
    onFailure,
    onAnswer,
  } = options;
  const addresses = new AllowedAddresses(networks, 'proxy');
  const passage = new HttpPassage(name, now, onFailure, onAnswer);
  const rules = targets.map(({ uri, credentials = {} }) => {
    const pattern = parseHttpTarget(uri);
    if (typeof pattern === 'string') throw new Error(`proxy target ${uri}: ${pattern}`);
    return { pattern, upstream: new HttpUpstream({ credentials, addresses, timeoutMs, name }) };
  });
  return {
    names: coap?.names ?? new Set(names.map((one) => one.toLowerCase())),
    maxBodyBytes: coap?.maxBodyBytes ?? 1024 * 1024,
    streamRequestBody: isForHttp,
    answer(request) {
      if (!isForHttp(request.options)) {
        return (
          coap?.answer(request) ??
          Promise.resolve(failure(Code.ProxyingNotSupported, 'no proxy for this URI'))
        );
      }
      return answerForHttp(request);
    },
    async close() {
      await Promise.all([...rules.map(({ upstream }) => upstream.close()), coap?.close()]);
    },
  };

  async function answerForHttp(request: Request): Promise<ServerResponse> {
    const url = httpTarget(request.options);
    if (url === undefined) return failure(Code.BadOption, 'no URI can be made of the options');
    if ('problem' in url) return failure(Code.BadOption, url.problem);
    if (!authorize(request)) {
      return failure(isKnown(request) ? Code.Forbidden : Code.Unauthorized, 'the proxy is not for everyone');
    }
    const rule = rules.find(({ pattern }: { readonly pattern: HttpTargetPattern }) => pattern.matches(url));
    if (rule === undefined) return failure(Code.ProxyingNotSupported, 'no proxy for this URI');
    return passage.pass(request, url, rule.upstream);
  }
}

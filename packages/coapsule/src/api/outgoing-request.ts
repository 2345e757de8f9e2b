/**
 * From a method and the options of a call to the request that an endpoint sends.
 *
 * RFC 7252 §5.5 and §5.10, RFC 7967 §2.
 *
 * @module
 */

import { codeOfMethod, hasRequestPayload, type Method } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { parseCoapUri, uriOptions } from '../core/coap/uri.ts';
import type { OutgoingRequest } from '../core/endpoint/outputs.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { noResponseValue, type ResponseClass } from '../core/request-response/response-suppression.ts';
import { bodyForCore } from './body-input.ts';
import type { RequestOptions } from './client-options.ts';
import { clientSecurityOf } from './oscore-context.ts';
import { knownContentFormat } from './server-response.ts';
import { expectUri, formatTargetUri, isSerialTarget, type TargetUri } from './target-uri.ts';

const allResponseClasses = [2, 4, 5] as const;

/** The URI of a server's list of links (RFC 6690 §4). */
export function linkListUri(server: TargetUri, filters: readonly string[]): string {
  const query = filters.length > 0 ? `?${filters.map(encodeURIComponent).join('&')}` : '';
  if (isSerialTarget(server)) {
    return `${formatTargetUri({ ...server, path: ['.well-known', 'core'], query: [] })}${query}`;
  }
  const host = server.host.includes(':') ? `[${server.host.replace('%', '%25')}]` : server.host;
  return `${server.scheme}://${host}:${server.port}/.well-known/core${query}`;
}

/**
 * The request that the caller means.
 *
 * @param target The options that say what is wanted (RFC 7252 §6.4); added to.
 */
export function outgoingRequest(method: Method, target: OptionSet, options: RequestOptions): OutgoingRequest {
  const { whenBusy, singleBlock, resumable, resumeFrom } = options;
  if (whenBusy !== undefined && !['fail', 'wait', 'send'].includes(whenBusy)) {
    throw new ApiMisuseError(`whenBusy is '${String(whenBusy)}'; expected 'fail', 'wait' or 'send'`);
  }
  const content = requestContent(method, options);
  for (const { number, value } of content.options.entries()) target.add(number, value);
  return {
    ...content,
    options: target,
    type: options.confirmable === false ? 'NON' : 'CON',
    ...(options.forwarded === true ? { forwarded: true } : {}),
    ...(options.oscore === undefined ? {} : { oscore: clientSecurityOf(options.oscore) }),
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.blockSize === undefined ? {} : { blockSize: options.blockSize }),
    ...(options.qBlock === undefined ? {} : { qBlock: options.qBlock }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(whenBusy === undefined ? {} : { whenBusy }),
    ...(singleBlock === undefined ? {} : { singleBlock }),
    ...(resumable === undefined ? {} : { resumable: true }),
    ...(resumeFrom === undefined ? {} : { resume: resumeFrom, resumable: true }),
  };
}

/**
 * A request to whoever is at the other end, for a path and query such as `/light?room=3`: it has no Uri-Host and no Uri-Port.
 *
 * @throws ApiMisuseError for a path that cannot be.
 */
export function pathRequest(method: Method, path: string, options: RequestOptions): OutgoingRequest {
  if (!path.startsWith('/')) {
    throw new ApiMisuseError(`the path is '${path}'; expected one that starts with /`);
  }
  const uri = `coap://localhost${path}`;
  const asked = expectUri(uri, parseCoapUri(uri));
  return outgoingRequest(method, uriOptions(asked, { ...asked, name: asked.host }), options);
}

/** text/plain and application/octet-stream (RFC 7252 §12.3). */
const plainTextFormat = 0;
const octetStreamFormat = 42;

/** A request but for what says whom it is for. */
export function requestContent(
  method: Method,
  options: RequestOptions,
): Pick<OutgoingRequest, 'code' | 'options' | 'payload' | 'body'> {
  const set = new OptionSet();
  if (options.contentFormat !== undefined) {
    set.add(OptionNumber.ContentFormat, knownContentFormat(options.contentFormat));
  }
  if (options.accept !== undefined) set.add(OptionNumber.Accept, knownContentFormat(options.accept));
  addConditions(set, options);
  if (options.noResponse !== undefined) {
    set.add(OptionNumber.NoResponse, noResponseValue(unwantedClasses(options.noResponse)));
  }
  for (const [index, option] of (options.options ?? []).entries()) {
    const { number, value } = option ?? {};
    if (value === undefined) {
      throw new ApiMisuseError(`options[${index}] has no value; expected { number, value }`);
    }
    set.add(number, value);
  }
  const code = codeOfMethod(method);
  // RFC 7252 §5.5: a sender MUST NOT include a payload that the method is not defined to have.
  if (!isEmpty(options.payload) && !hasRequestPayload(code)) {
    throw new ApiMisuseError(`${method} has no payload (RFC 7252 §5.5); leave it out, or use FETCH or POST`);
  }
  if (method === 'FETCH' && options.payload !== undefined && !options.forwarded) {
    // RFC 8132 §2.3.1: a FETCH MUST say what its payload is.
    const format = typeof options.payload === 'string' ? plainTextFormat : octetStreamFormat;
    if (!set.has(OptionNumber.ContentFormat)) set.add(OptionNumber.ContentFormat, format);
  }
  return { code, options: set, ...bodyForCore(options.payload) };
}

/** ETag, If-Match and If-None-Match (RFC 7252 §5.10.6.2, §5.10.8). */
function addConditions(set: OptionSet, { etag, ifMatch, ifNoneMatch }: RequestOptions): void {
  for (const value of etagsOf('etag', etag, 1)) set.add(OptionNumber.ETag, value);
  for (const value of etagsOf('ifMatch', ifMatch, 0)) set.add(OptionNumber.IfMatch, value);
  if (ifNoneMatch === true) set.add(OptionNumber.IfNoneMatch, noBytes);
}

function etagsOf(
  name: string,
  given: Uint8Array | readonly Uint8Array[] | undefined,
  least: 0 | 1,
): readonly Uint8Array[] {
  const etags = given === undefined ? [] : given instanceof Uint8Array ? [given] : given;
  for (const etag of etags) {
    if (!(etag instanceof Uint8Array) || etag.length < least || etag.length > 8) {
      const found = etag instanceof Uint8Array ? `${etag.length} bytes` : typeof etag;
      throw new ApiMisuseError(`${name} is ${found}; expected a Uint8Array of ${least} to 8 bytes`);
    }
  }
  return etags;
}

function unwantedClasses(given: NonNullable<RequestOptions['noResponse']>): readonly ResponseClass[] {
  const classes = given === 'all' ? allResponseClasses : given;
  const known: readonly unknown[] = allResponseClasses;
  if (!Array.isArray(classes) || !classes.every((one) => known.includes(one))) {
    throw new ApiMisuseError(`noResponse is ${JSON.stringify(given)}; expected 'all' or some of [2, 4, 5]`);
  }
  return classes;
}

function isEmpty(payload: RequestOptions['payload']): boolean {
  if (typeof payload === 'string' || payload instanceof Uint8Array) return payload.length === 0;
  return payload === undefined;
}

/**
 * CoAP codes: request methods and response codes as numbers, with their `c.dd` text and names.
 *
 * RFC 7252 §3 and §12.1, RFC 7959 §2.9, RFC 8132 §4, RFC 8516, RFC 8768 §6. Signaling codes 7.xx
 * (RFC 8323) have their names here and are in `signaling.ts`: over UDP class 7 is reserved.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';

/** The 8-bit Code field: class in the upper 3 bits, detail in the lower 5 (RFC 7252 §3). */
export type Code = number;

/** The registered codes; `Code.Content` is 0x45, written 2.05. */
export const Code = {
  Empty: 0x00,
  Get: 0x01,
  Post: 0x02,
  Put: 0x03,
  Delete: 0x04,
  Fetch: 0x05,
  Patch: 0x06,
  IPatch: 0x07,
  Created: 0x41,
  Deleted: 0x42,
  Valid: 0x43,
  Changed: 0x44,
  Content: 0x45,
  Continue: 0x5f,
  BadRequest: 0x80,
  Unauthorized: 0x81,
  BadOption: 0x82,
  Forbidden: 0x83,
  NotFound: 0x84,
  MethodNotAllowed: 0x85,
  NotAcceptable: 0x86,
  RequestEntityIncomplete: 0x88,
  Conflict: 0x89,
  PreconditionFailed: 0x8c,
  RequestEntityTooLarge: 0x8d,
  UnsupportedContentFormat: 0x8f,
  UnprocessableEntity: 0x96,
  TooManyRequests: 0x9d,
  InternalServerError: 0xa0,
  NotImplemented: 0xa1,
  BadGateway: 0xa2,
  ServiceUnavailable: 0xa3,
  GatewayTimeout: 0xa4,
  ProxyingNotSupported: 0xa5,
  HopLimitReached: 0xa8,
} as const;

/** A request method by its name (RFC 7252 §5.8, RFC 8132). */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'IPATCH';

/** Code 0.01 is the first method, and so on. */
const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'];

const names: ReadonlyMap<Code, string> = new Map<Code, string>([
  [Code.Empty, 'Empty'],
  [Code.Get, 'GET'],
  [Code.Post, 'POST'],
  [Code.Put, 'PUT'],
  [Code.Delete, 'DELETE'],
  [Code.Fetch, 'FETCH'],
  [Code.Patch, 'PATCH'],
  [Code.IPatch, 'iPATCH'],
  [Code.Created, 'Created'],
  [Code.Deleted, 'Deleted'],
  [Code.Valid, 'Valid'],
  [Code.Changed, 'Changed'],
  [Code.Content, 'Content'],
  [Code.Continue, 'Continue'],
  [Code.BadRequest, 'Bad Request'],
  [Code.Unauthorized, 'Unauthorized'],
  [Code.BadOption, 'Bad Option'],
  [Code.Forbidden, 'Forbidden'],
  [Code.NotFound, 'Not Found'],
  [Code.MethodNotAllowed, 'Method Not Allowed'],
  [Code.NotAcceptable, 'Not Acceptable'],
  [Code.RequestEntityIncomplete, 'Request Entity Incomplete'],
  [Code.Conflict, 'Conflict'],
  [Code.PreconditionFailed, 'Precondition Failed'],
  [Code.RequestEntityTooLarge, 'Request Entity Too Large'],
  [Code.UnsupportedContentFormat, 'Unsupported Content-Format'],
  [Code.UnprocessableEntity, 'Unprocessable Entity'],
  [Code.TooManyRequests, 'Too Many Requests'],
  [Code.InternalServerError, 'Internal Server Error'],
  [Code.NotImplemented, 'Not Implemented'],
  [Code.BadGateway, 'Bad Gateway'],
  [Code.ServiceUnavailable, 'Service Unavailable'],
  [Code.GatewayTimeout, 'Gateway Timeout'],
  [Code.ProxyingNotSupported, 'Proxying Not Supported'],
  [Code.HopLimitReached, 'Hop Limit Reached'],
  // RFC 8323 §11.1
  [0xe1, 'CSM'],
  [0xe2, 'Ping'],
  [0xe3, 'Pong'],
  [0xe4, 'Release'],
  [0xe5, 'Abort'],
]);

/** The class of a code: 0 request or Empty, 2 success, 4 client error, 5 server error (RFC 7252 §3). */
export function codeClass(code: Code): number {
  return code >> 5;
}

/** A code as `c.dd`, such as `2.05` (RFC 7252 §3). */
export function codeText(code: Code): string {
  const detail = code & 31;
  return `${code >> 5}.${detail < 10 ? '0' : ''}${detail}`;
}

/** The registered name of a code, such as `Content` or `GET`; `undefined` for an unregistered one. */
export function codeName(code: Code): string | undefined {
  return names.get(code);
}

/** Whether a code is a request, 0.01 … 0.31, also of a method we do not know (RFC 7252 §12.1). */
export function isRequestCode(code: Code): boolean {
  return code > 0 && code < 0x20;
}

/** Whether a code is a response, 2.00 … 5.31 (RFC 7252 §12.1); class 3 is unassigned but counts. */
export function isResponseCode(code: Code): boolean {
  return code >= 0x40 && code < 0xc0;
}

/** Whether a code is of class 2, Success (RFC 7252 §5.9.1). */
export function isSuccessCode(code: Code): boolean {
  return code >> 5 === 2;
}

/** Whether a code is of class 4 or 5, Client Error and Server Error (RFC 7252 §5.9.2, §5.9.3). */
export function isErrorCode(code: Code): boolean {
  return code >= 0x80 && code < 0xc0;
}

/** Whether a code is of class 1, 6 or 7: a message with it is rejected (RFC 7252 §4.2, §12.1). */
export function isReservedCode(code: Code): boolean {
  return (code >= 0x20 && code < 0x40) || code >= 0xc0;
}

/** The method of a request code; `undefined` when the code is no method we know. */
export function methodOf(code: Code): Method | undefined {
  return code === 0 ? undefined : methods[code - 1];
}

/** The request code of a method. Throws `ApiMisuseError` for anything else than a `Method`. */
export function codeOfMethod(method: Method): Code {
  const index = methods.indexOf(method);
  if (index < 0)
    throw new ApiMisuseError(`method is "${String(method)}"; expected one of ${methods.join(', ')}`);
  return index + 1;
}

/** Whether requests with this method have a payload: all but GET and DELETE (RFC 7252 §5.8.1, §5.8.4). */
export function hasRequestPayload(code: Code): boolean {
  return code !== Code.Get && code !== Code.Delete;
}

/** Whether a request changes nothing at the server: GET (RFC 7252 §5.1) and FETCH (RFC 8132 §2). */
export function isSafeRequest(code: Code): boolean {
  return code === Code.Get || code === Code.Fetch;
}

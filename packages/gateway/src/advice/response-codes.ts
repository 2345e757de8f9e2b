/**
 * The response codes of CoAP: what they mean, what HTTP calls them, when a server gives them; filtered and searched.
 *
 * RFC 7252 §5.9 and §12.1.2, RFC 7959 §2.9, RFC 8132 §4, RFC 8516, RFC 8768. HTTP beside them as in RFC 8075 §7. Pure functions.
 *
 * @module
 */

import { Code, codeName, codeText } from 'coapsule/message';

/** 2 Success, 4 Client error, 5 Server error. */
export type ResponseCodeClass = 2 | 4 | 5;

/** One code. */
export interface ResponseCodeEntry {
  readonly code: number;
  /** Such as `4.04`. */
  readonly text: string;
  readonly name: string;
  readonly http: string;
  readonly description: string;
  readonly example: string;
  /** Of the 17 that everybody meets; the others are rarer. */
  readonly isUsual: boolean;
}

type Row = readonly [code: number, isUsual: boolean, http: string, description: string, example: string];

const rows: readonly Row[] = [
  [
    Code.Created,
    true,
    '201 Created',
    'A new resource is there; Location-Path says where.',
    'POST /sensors makes /sensors/42',
  ],
  [
    Code.Deleted,
    true,
    '200 OK or 204 No Content',
    'The resource is gone, or was not there.',
    'DELETE /sensors/42',
  ],
  [
    Code.Valid,
    true,
    '304 Not Modified',
    'What the client has with this ETag is still right; there is no payload.',
    'GET /config with the ETag of the last answer',
  ],
  [
    Code.Changed,
    true,
    '200 OK or 204 No Content',
    'PUT, POST or PATCH did what was asked.',
    "PUT /thermostat/setpoint '22.5'",
  ],
  [Code.Content, true, '200 OK', 'The payload is the representation.', "GET /temperature gives '23.4'"],
  [
    Code.Continue,
    false,
    'none: a proxy answers it itself',
    'This block has arrived, the next one may come (Block1).',
    'PUT /firmware/image, block 0 of 50',
  ],
  [
    Code.BadRequest,
    true,
    '400 Bad Request',
    'The request cannot be understood: its payload, or the way it is put together.',
    'PUT /config with broken JSON',
  ],
  [
    Code.Unauthorized,
    true,
    '403 Forbidden',
    'The client has not proved who it is. It should not come again like that.',
    'GET /lock over coap:// where coaps:// is asked for',
  ],
  [
    Code.BadOption,
    false,
    '400 Bad Request, or 500',
    'A critical option is unknown to the server, or malformed.',
    'GET with option 65001',
  ],
  [
    Code.Forbidden,
    true,
    '403 Forbidden',
    'The server knows the client, which may not do this.',
    'PUT /admin/config by a sensor',
  ],
  [Code.NotFound, true, '404 Not Found', 'Nothing is at this path.', 'GET /sensors/999'],
  [
    Code.MethodNotAllowed,
    true,
    '400 Bad Request, or 405',
    'The resource is there, but does not do this method; also for one that the server does not know.',
    'DELETE /temperature',
  ],
  [
    Code.NotAcceptable,
    false,
    '406 Not Acceptable',
    'There is no representation of the Content-Format in Accept.',
    'GET /temperature with Accept: application/xml',
  ],
  [
    Code.RequestEntityIncomplete,
    true,
    '400 Bad Request',
    'Blocks of the body are missing, or it was forgotten: begin again with block 0.',
    'PUT in blocks: 0 to 3 arrived, 4 did not, 5 comes',
  ],
  [
    Code.Conflict,
    false,
    '409 Conflict',
    'The change does not fit the state of the resource.',
    'PATCH of a member that is not there',
  ],
  [
    Code.PreconditionFailed,
    false,
    '412 Precondition Failed',
    'If-Match or If-None-Match does not hold.',
    'PUT /config with If-Match of an older version',
  ],
  [
    Code.RequestEntityTooLarge,
    true,
    '413 Content Too Large',
    'The body is more than the server takes; Block1 in the answer says what size of block to use, Size1 how much.',
    'PUT of 50 kB of firmware in one message',
  ],
  [
    Code.UnsupportedContentFormat,
    true,
    '415 Unsupported Media Type',
    'The server does not read this Content-Format.',
    'PUT XML where only CBOR is read',
  ],
  [
    Code.UnprocessableEntity,
    false,
    '422 Unprocessable Content',
    'The payload is well formed, but cannot be applied.',
    'PATCH that would make a number of a text',
  ],
  [
    Code.TooManyRequests,
    false,
    '429 Too Many Requests',
    'The client asks too often; Max-Age says when it may again.',
    'a device that reports a hundred times a second',
  ],
  [
    Code.InternalServerError,
    true,
    '500 Internal Server Error',
    'Something failed that should not.',
    'GET /temperature while the converter is broken',
  ],
  [
    Code.NotImplemented,
    true,
    '501 Not Implemented',
    'The server lacks what is asked for. For a method that it does not know CoAP says 4.05.',
    'an action that this build leaves out',
  ],
  [
    Code.BadGateway,
    false,
    '502 Bad Gateway',
    'The next server answered something that cannot be understood.',
    'a proxy whose server sends rubbish',
  ],
  [
    Code.ServiceUnavailable,
    true,
    '503 Service Unavailable',
    'Not now; Max-Age says when to come again.',
    'a gateway with too many readings: Max-Age 30',
  ],
  [
    Code.GatewayTimeout,
    true,
    '504 Gateway Timeout',
    'The next server did not answer in time.',
    'a proxy whose cloud is away',
  ],
  [
    Code.ProxyingNotSupported,
    false,
    '502 Bad Gateway',
    'This server is no proxy, or not for that URI.',
    'GET with Proxy-Uri at a server that is none',
  ],
  [
    Code.HopLimitReached,
    false,
    '508 Loop Detected',
    'The request went round in circles among proxies (RFC 8768).',
    'two proxies that name each other',
  ],
];

/** All registered response codes, in their order. */
export const responseCodes: readonly ResponseCodeEntry[] = rows.map(
  ([code, isUsual, http, description, example]) => ({
    ...{ code, text: codeText(code), name: codeName(code)!, http, description, example, isUsual },
  }),
);

/** What to look for. */
export interface ResponseCodeFilter {
  /** Undefined for all. */
  readonly class?: ResponseCodeClass;
  /** Case and space around it do not matter; looked for in all columns. */
  readonly search?: string;
  /** Also those that are rare; no by default. */
  readonly all?: boolean;
}

/** The codes for which both hold, and how many there are without. */
export function findResponseCodes({ class: wanted, search = '', all = false }: ResponseCodeFilter): {
  readonly found: readonly ResponseCodeEntry[];
  readonly of: number;
} {
  const text = search.trim().toLowerCase();
  const set = responseCodes.filter(({ isUsual }) => all || isUsual);
  const found = set.filter(
    (entry) =>
      (wanted === undefined || entry.code >> 5 === wanted) &&
      [entry.text, entry.name, entry.http, entry.description, entry.example].some((column) =>
        column.toLowerCase().includes(text),
      ),
  );
  return { found, of: set.length };
}

/**
 * JSON-RPC 2.0 in lines: one message a line, in UTF-8, as the stdio transport of the Model Context Protocol has it.
 *
 * Batches are refused: the revisions that are spoken here have none.
 *
 * @module
 */

/** Of a request; never null (MCP, Messages). */
export type RequestId = string | number;

/** What a line holds. */
export type IncomingMessage =
  | { readonly kind: 'request'; readonly id: RequestId; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject }
  /** A response: nothing was asked, so nothing is done with it. */
  | { readonly kind: 'response' }
  /** `id` as far as it could be read. */
  | { readonly kind: 'fault'; readonly id: RequestId | null; readonly error: RpcError };

/** Any JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What a request fails with. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonObject;
}

/** The codes of JSON-RPC 2.0 §5.1, and the one that MCP adds. */
export const ErrorCode = {
  ParseError: -32700,
  InvalidRequest: -32600,
  MethodNotFound: -32601,
  InvalidParams: -32602,
  UnsupportedProtocolVersion: -32022,
} as const;

/** Reads one line. Never throws. */
export function readMessage(line: string): IncomingMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return fault(null, ErrorCode.ParseError, 'the line is not JSON');
  }
  if (Array.isArray(value)) {
    return fault(null, ErrorCode.InvalidRequest, 'batches are not spoken here: send one message a line');
  }
  if (!isObject(value)) return fault(null, ErrorCode.InvalidRequest, 'a message is a JSON object');
  const { jsonrpc, id, method, params = {} } = value;
  const known = isRequestId(id) ? id : null;
  if (jsonrpc !== '2.0') return fault(known, ErrorCode.InvalidRequest, '"jsonrpc" has to be "2.0"');
  if (method === undefined && (Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error'))) {
    return { kind: 'response' };
  }
  if (typeof method !== 'string') return fault(known, ErrorCode.InvalidRequest, '"method" has to be a text');
  if (!isObject(params)) return fault(known, ErrorCode.InvalidRequest, '"params" has to be an object');
  if (!Object.hasOwn(value, 'id')) return { kind: 'notification', method, params };
  return known === null
    ? fault(null, ErrorCode.InvalidRequest, '"id" has to be a text or a whole number')
    : { kind: 'request', id: known, method, params };
}

/** A line for a result. */
export function resultLine(id: RequestId, result: JsonObject): string {
  return line({ jsonrpc: '2.0', id, result });
}

/** A line for an error. */
export function errorLine(id: RequestId | null, error: RpcError): string {
  return line({ jsonrpc: '2.0', id, error });
}

/** JSON.stringify escapes line feeds, so that a message is one line. */
function line(message: JsonObject): string {
  return `${JSON.stringify(message)}\n`;
}

/** Whether it is a JSON object, and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it can be the id of a request. */
export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value));
}

function fault(id: RequestId | null, code: number, message: string): IncomingMessage {
  return { kind: 'fault', id, error: { code, message } };
}

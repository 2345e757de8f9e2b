/**
 * If-Match and If-None-Match of a request that changes something (RFC 7252 §5.10.8).
 */
import { Code, OptionNumber, type Request, RequestFailure } from 'coapsule';

/** What is at the path now. */
export interface CurrentState {
  readonly exists: boolean;
  /** The current representation's ETag, for resources that have one. */
  readonly etag?: Uint8Array;
}

/** @throws RequestFailure 4.12 when a condition of the request is not fulfilled. */
export function expectPreconditions(request: Request, current: CurrentState): void {
  if (request.options.has(OptionNumber.IfNoneMatch) && current.exists) {
    throw new RequestFailure(Code.PreconditionFailed, 'it exists already');
  }
  if (!request.options.has(OptionNumber.IfMatch)) return;
  // An empty value asks for existence alone.
  const matches = request.options
    .all(OptionNumber.IfMatch)
    .some((value) => (value.length === 0 ? current.exists : equals(value, current.etag)));
  if (!matches) throw new RequestFailure(Code.PreconditionFailed, 'it has changed or does not exist');
}

function equals(value: Uint8Array, etag: Uint8Array | undefined): boolean {
  return etag !== undefined && Buffer.compare(value, etag) === 0;
}

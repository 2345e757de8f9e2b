/**
 * Content formats of a request: what it brings (4.15) and what it wants back (4.06).
 */
import { Code, contentFormatName, type Request, RequestFailure } from 'coapsule';

/** Numbers of RFC 7252 §12.3, RFC 8949 §9.4 and RFC 8428 §12.4. */
export const ContentFormat = {
  text: 0,
  linkFormat: 40,
  json: 50,
  cbor: 60,
  senmlJson: 110,
  senmlCbor: 112,
} as const;

/**
 * The format to answer in.
 *
 * @param offered formats of the resource, the preferred one first.
 * @throws RequestFailure 4.06 when Accept names another one (RFC 7252 §5.10.4).
 */
export function acceptedFormat(request: Request, offered: readonly number[]): number {
  const wanted = request.accept ?? (offered[0] as number);
  if (!offered.includes(wanted)) {
    throw new RequestFailure(Code.NotAcceptable, `available: ${offered.map(nameOf).join(', ')}`);
  }
  return wanted;
}

/** @throws RequestFailure 4.15 unless the payload has one of these formats or says none. */
export function expectFormat(request: Request, known: readonly number[]): void {
  const { contentFormat } = request;
  if (contentFormat === undefined || known.includes(contentFormat)) return;
  throw new RequestFailure(Code.UnsupportedContentFormat, `understood: ${known.map(nameOf).join(', ')}`);
}

function nameOf(format: number): string {
  return contentFormatName(format) ?? `${format}`;
}

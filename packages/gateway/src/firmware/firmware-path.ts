/**
 * What a request to `/firmware/…` is about: the path and the query as values, or what is wrong with them.
 */
import { Code, type Request, RequestFailure } from 'coapsule';

/** What a path below `/firmware` names. */
export interface FirmwareTarget {
  readonly name: string;
  /** Undefined: the newest one. */
  readonly version: string | undefined;
  /** The upload that did not come to its end, instead of the firmware. */
  readonly isUpload: boolean;
}

/** What a PUT says of the firmware that it brings. */
export interface UploadQuery {
  /** SHA-256 of all of it, 64 lower-case hexadecimal digits. */
  readonly sha256: string | undefined;
  /** Where in the firmware the body begins, in bytes. */
  readonly from: number;
}

/** @throws RequestFailure 4.04 for a path that names none, 4.00 for a name that cannot be. */
export function firmwareTarget({ segments }: Pick<Request, 'segments'>): FirmwareTarget {
  const [, name = '', version, last] = segments;
  if (segments.length > 4 || (last !== undefined && last !== 'upload')) {
    throw new RequestFailure(Code.NotFound, 'below a version there is upload alone');
  }
  for (const word of [name, version]) {
    if (word !== undefined && !/^(?!\.{1,2}$)[\w.+~-]{1,64}$/.test(word)) {
      throw new RequestFailure(
        Code.BadRequest,
        'names and versions have 1 to 64 letters, digits, or any of . _ + ~ -',
      );
    }
  }
  return { name, version, isUpload: last !== undefined };
}

/** @throws RequestFailure 4.00 */
export function uploadQuery({ query }: Pick<Request, 'query'>): UploadQuery {
  let sha256: string | undefined;
  let from = 0;
  for (const parameter of query) {
    const [, key, value = ''] = /^([^=]*)=?(.*)$/s.exec(parameter) ?? [];
    if (key === 'sha256' && /^[0-9a-fA-F]{64}$/.test(value)) sha256 = value.toLowerCase();
    else if (key === 'from' && /^\d{1,15}$/.test(value)) from = Number(value);
    else {
      throw new RequestFailure(
        Code.BadRequest,
        'the query is sha256=(64 hexadecimal digits) and from=(a number of bytes)',
      );
    }
  }
  if (from > 0 && sha256 === undefined) {
    throw new RequestFailure(Code.BadRequest, 'an upload goes on by its sha256: give it with from');
  }
  return { sha256, from };
}

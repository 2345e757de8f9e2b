/**
 * What is told of one version of a firmware: its ETag, its link, its description.
 */
import type { Link } from 'coapsule';
import { type FirmwareImage, labelOf } from './firmware-catalogue.ts';

/** Content-Format application/octet-stream (RFC 7252 §12.3). */
export const octetStream = 42;

/** The first 8 bytes of its SHA-256 (RFC 7252 §5.10.6). */
export function etagOf({ sha256 }: Pick<FirmwareImage, 'sha256'>): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, index) =>
    Number.parseInt(sha256.slice(2 * index, 2 * index + 2), 16),
  );
}

/** Its path. */
export function imagePath(image: Pick<FirmwareImage, 'name' | 'version'>): string {
  return `/firmware/${labelOf(image)}`;
}

/** Its link, with size and SHA-256 as attributes (RFC 6690 §3). */
export function imageLink(image: FirmwareImage): Link {
  return {
    target: imagePath(image),
    attributes: [
      ['rt', 'coapsule.firmware'],
      ['ct', `${octetStream}`],
      ['sz', `${image.size}`],
      ['sha256', image.sha256],
    ],
  };
}

/** As an object for JSON. */
export function imageDescription({ name, version, size, sha256, uploadedAtMs }: FirmwareImage): object {
  return { name, version, size, sha256, uploaded: new Date(uploadedAtMs).toISOString() };
}

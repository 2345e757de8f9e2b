/**
 * Content-Formats: the registry number of a media type with its parameters and content coding.
 *
 * RFC 7252 §12.3 and the formats registered since. Numbers that are not here pass through as numbers.
 *
 * @module
 */

/** Number and name. The name is the media type as registered, parameters included. */
const formats: readonly (readonly [number: number, name: string])[] = [
  [0, 'text/plain; charset=utf-8'],
  [16, 'application/cose; cose-type="cose-encrypt0"'],
  [17, 'application/cose; cose-type="cose-mac0"'],
  [18, 'application/cose; cose-type="cose-sign1"'],
  [19, 'application/ace+cbor'],
  [21, 'image/gif'],
  [22, 'image/jpeg'],
  [23, 'image/png'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [51, 'application/json-patch+json'],
  [52, 'application/merge-patch+json'],
  [60, 'application/cbor'],
  [61, 'application/cwt'],
  [62, 'application/multipart-core'],
  [63, 'application/cbor-seq'],
  [64, 'application/edhoc+cbor-seq'],
  [65, 'application/cid-edhoc+cbor-seq'],
  [96, 'application/cose; cose-type="cose-encrypt"'],
  [97, 'application/cose; cose-type="cose-mac"'],
  [98, 'application/cose; cose-type="cose-sign"'],
  [101, 'application/cose-key'],
  [102, 'application/cose-key-set'],
  [110, 'application/senml+json'],
  [111, 'application/sensml+json'],
  [112, 'application/senml+cbor'],
  [113, 'application/sensml+cbor'],
  [114, 'application/senml-exi'],
  [115, 'application/sensml-exi'],
  [256, 'application/coap-group+json'],
  [257, 'application/concise-problem-details+cbor'],
  [258, 'application/swid+cbor'],
  [271, 'application/dots+cbor'],
  [272, 'application/missing-blocks+cbor-seq'],
  [280, 'application/pkcs7-mime; smime-type=server-generated-key'],
  [281, 'application/pkcs7-mime; smime-type=certs-only'],
  [284, 'application/pkcs8'],
  [285, 'application/csrattrs'],
  [286, 'application/pkcs10'],
  [287, 'application/pkix-cert'],
  [310, 'application/senml+xml'],
  [311, 'application/sensml+xml'],
  [320, 'application/senml-etch+json'],
  [322, 'application/senml-etch+cbor'],
  [432, 'application/td+json'],
  [10000, 'application/vnd.ocf+cbor'],
  [10001, 'application/oscore'],
  [11542, 'application/vnd.oma.lwm2m+tlv'],
  [11543, 'application/vnd.oma.lwm2m+json'],
  [11544, 'application/vnd.oma.lwm2m+cbor'],
];

const mediaTypes: ReadonlyMap<number, string> = new Map(formats);

const numbers: ReadonlyMap<string, number> = new Map([
  ...formats.map(([number, name]): [string, number] => [normalize(name), number]),
  ['text/plain', 0],
]);

/**
 * The Content-Format number of a registered name or of a number (also as decimal text); letter case and
 * spaces around `;` do not matter.
 *
 * @returns 0 … 65535, or `undefined` for an unknown name or a number out of range.
 */
export function contentFormatOf(nameOrNumber: string | number): number | undefined {
  if (typeof nameOrNumber === 'string') {
    const known = numbers.get(normalize(nameOrNumber));
    if (known !== undefined || !/^\d{1,5}$/.test(nameOrNumber)) return known;
  }
  const number = Number(nameOrNumber);
  return Number.isInteger(number) && number >= 0 && number <= 0xffff ? number : undefined;
}

/** The name of a Content-Format: `text/plain` for 0, others as registered; `undefined` when unknown. */
export function contentFormatName(number: number): string | undefined {
  return number === 0 ? 'text/plain' : mediaTypes.get(number);
}

/** The media type of a Content-Format with all its parameters, as HTTP writes it; `undefined` when unknown. */
export function contentFormatMediaType(number: number): string | undefined {
  return mediaTypes.get(number);
}

function normalize(name: string): string {
  // Not by a pattern such as \s*;\s*, whose time is quadratic in a run of spaces.
  const parts = name.split(';').map((part) => part.trim());
  return parts.join(';').toLowerCase().replaceAll('"', '');
}

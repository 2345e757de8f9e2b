/**
 * Content-Formats: the registry number of a media type with its parameters and content coding.
 *
 * RFC 7252 §12.3, the formats registered since in RFCs, and some that the field uses. Numbers that are not here pass
 * through as numbers.
 *
 * @module
 */

/** One row of the registry. */
export interface ContentFormatDefinition {
  readonly number: number;
  /** The media type as registered, parameters included. */
  readonly mediaType: string;
  /** The content coding; most have none (RFC 7252 §12.3). */
  readonly coding?: string;
  /** What registered it: an RFC, or whose format it is. */
  readonly source: string;
}

/** Number, media type, source, content coding. */
const formats: readonly (readonly [number: number, mediaType: string, source: string, coding?: string])[] = [
  [0, 'text/plain; charset=utf-8', 'RFC 7252'],
  [16, 'application/cose; cose-type="cose-encrypt0"', 'RFC 9052'],
  [17, 'application/cose; cose-type="cose-mac0"', 'RFC 9052'],
  [18, 'application/cose; cose-type="cose-sign1"', 'RFC 9052'],
  [19, 'application/ace+cbor', 'RFC 9200'],
  [21, 'image/gif', 'IANA'],
  [22, 'image/jpeg', 'IANA'],
  [23, 'image/png', 'IANA'],
  [40, 'application/link-format', 'RFC 7252'],
  [41, 'application/xml', 'RFC 7252'],
  [42, 'application/octet-stream', 'RFC 7252'],
  [47, 'application/exi', 'RFC 7252'],
  [50, 'application/json', 'RFC 7252'],
  [51, 'application/json-patch+json', 'RFC 8132'],
  [52, 'application/merge-patch+json', 'RFC 8132'],
  [60, 'application/cbor', 'RFC 8949'],
  [61, 'application/cwt', 'RFC 8392'],
  [62, 'application/multipart-core', 'RFC 8710'],
  [63, 'application/cbor-seq', 'RFC 8742'],
  [64, 'application/edhoc+cbor-seq', 'RFC 9528'],
  [65, 'application/cid-edhoc+cbor-seq', 'RFC 9528'],
  [96, 'application/cose; cose-type="cose-encrypt"', 'RFC 9052'],
  [97, 'application/cose; cose-type="cose-mac"', 'RFC 9052'],
  [98, 'application/cose; cose-type="cose-sign"', 'RFC 9052'],
  [101, 'application/cose-key', 'RFC 9052'],
  [102, 'application/cose-key-set', 'RFC 9052'],
  [110, 'application/senml+json', 'RFC 8428'],
  [111, 'application/sensml+json', 'RFC 8428'],
  [112, 'application/senml+cbor', 'RFC 8428'],
  [113, 'application/sensml+cbor', 'RFC 8428'],
  [114, 'application/senml-exi', 'RFC 8428'],
  [115, 'application/sensml-exi', 'RFC 8428'],
  [256, 'application/coap-group+json', 'RFC 7390'],
  [257, 'application/concise-problem-details+cbor', 'RFC 9290'],
  [258, 'application/swid+cbor', 'RFC 9393'],
  [271, 'application/dots+cbor', 'RFC 9132'],
  [272, 'application/missing-blocks+cbor-seq', 'RFC 9177'],
  [280, 'application/pkcs7-mime; smime-type=server-generated-key', 'RFC 9148'],
  [281, 'application/pkcs7-mime; smime-type=certs-only', 'RFC 9148'],
  [284, 'application/pkcs8', 'RFC 9148'],
  [285, 'application/csrattrs', 'RFC 9148'],
  [286, 'application/pkcs10', 'RFC 9148'],
  [287, 'application/pkix-cert', 'RFC 9148'],
  [290, 'application/aif+cbor', 'RFC 9237'],
  [291, 'application/aif+json', 'RFC 9237'],
  [310, 'application/senml+xml', 'RFC 8428'],
  [311, 'application/sensml+xml', 'RFC 8428'],
  [320, 'application/senml-etch+json', 'RFC 8790'],
  [322, 'application/senml-etch+cbor', 'RFC 8790'],
  [432, 'application/td+json', 'W3C WoT'],
  [553, 'application/dns-message', 'RFC 9953'],
  [10000, 'application/vnd.ocf+cbor', 'OCF'],
  [10001, 'application/oscore', 'RFC 8613'],
  [11050, 'application/json', 'IANA', 'deflate'],
  [11060, 'application/cbor', 'IANA', 'deflate'],
  [11542, 'application/vnd.oma.lwm2m+tlv', 'OMA LwM2M'],
  [11543, 'application/vnd.oma.lwm2m+json', 'OMA LwM2M'],
  [11544, 'application/vnd.oma.lwm2m+cbor', 'OMA LwM2M'],
];

const definitions: ReadonlyMap<number, ContentFormatDefinition> = new Map(
  formats.map(([number, mediaType, source, coding]): [number, ContentFormatDefinition] => [
    number,
    Object.freeze({ number, mediaType, source, ...(coding === undefined ? {} : { coding }) }),
  ]),
);

const numbers: ReadonlyMap<string, number> = new Map([
  ...[...definitions.values()].map((definition): [string, number] => [
    normalize(nameOf(definition)),
    definition.number,
  ]),
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

/** The registry's row for a number. */
export function contentFormatDefinition(number: number): ContentFormatDefinition | undefined {
  return definitions.get(number);
}

/**
 * The name of a Content-Format: `text/plain` for 0, others as registered, with the content coding after an `@` (RFC 9193
 * §3); `undefined` when unknown.
 */
export function contentFormatName(number: number): string | undefined {
  const definition = definitions.get(number);
  if (definition === undefined) return undefined;
  return number === 0 ? 'text/plain' : nameOf(definition);
}

/**
 * The media type of a Content-Format with all its parameters, as HTTP writes it, and without the content coding, which HTTP
 * has elsewhere; `undefined` when unknown.
 */
export function contentFormatMediaType(number: number): string | undefined {
  return definitions.get(number)?.mediaType;
}

function nameOf({ mediaType, coding }: ContentFormatDefinition): string {
  return coding === undefined ? mediaType : `${mediaType}@${coding}`;
}

function normalize(name: string): string {
  // Not by a pattern such as \s*;\s*, whose time is quadratic in a run of spaces.
  const parts = name.split(';').map((part) => part.trim());
  return parts.join(';').toLowerCase().replaceAll('"', '');
}

/**
 * What a server answered to a ClientHello, as far as it is in the clear: HelloVerifyRequest, ServerHello, alert.
 *
 * RFC 6347 §4.1 and §4.2, RFC 9147 §5.1. Reads fragments that hold the beginning of a message; what a server signs or
 * encrypts is not looked at.
 *
 * @module
 */

/** Whatever decides the first round trip. */
export interface ServerFlight {
  readonly cookie?: Uint8Array;
  readonly hello?: ServerHello;
  /** Description of the first alert. */
  readonly alert?: number;
  /** Bytes of all datagrams. */
  readonly bytes: number;
}

/** What the server chose. */
export interface ServerHello {
  /** server_version, or that of supported_versions. */
  readonly version: number;
  readonly suite: number;
  readonly extensions: ReadonlyMap<number, Uint8Array>;
  /** Whether it wants another hello first (RFC 8446 §4.1.4). */
  readonly isRetryRequest: boolean;
}

const contentTypes = { alert: 21, handshake: 22 } as const;
const messages = { serverHello: 2, helloVerifyRequest: 3 } as const;
const supportedVersions = 43;
/** RFC 8446 §4.1.3: SHA-256 of "HelloRetryRequest". */
const retryRandom = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

/** Reads all that came; nothing of it is taken for more than it is. */
export function readServerFlight(datagrams: readonly Uint8Array[]): ServerFlight {
  let cookie: Uint8Array | undefined;
  let hello: ServerHello | undefined;
  let alert: number | undefined;
  for (const { type, body } of datagrams.flatMap(recordsOf)) {
    if (type === contentTypes.alert && body.length === 2) alert ??= body[1];
    if (type !== contentTypes.handshake) continue;
    for (const message of messagesOf(body)) {
      if (message.type === messages.helloVerifyRequest) cookie ??= readCookie(message.body);
      if (message.type === messages.serverHello) hello ??= readHello(message.body);
    }
  }
  return {
    bytes: datagrams.reduce((sum, { length }) => sum + length, 0),
    ...(cookie !== undefined && { cookie }),
    ...(hello !== undefined && { hello }),
    ...(alert !== undefined && { alert }),
  };
}

interface PlainRecord {
  readonly type: number;
  readonly body: Uint8Array;
}

const recordHeader = 13;

/** Records of epoch 0. */
function recordsOf(datagram: Uint8Array): readonly PlainRecord[] {
  const records: PlainRecord[] = [];
  let at = 0;
  while (at + recordHeader <= datagram.length) {
    const view = new DataView(datagram.buffer, datagram.byteOffset + at, datagram.length - at);
    const length = view.getUint16(11);
    if (at + recordHeader + length > datagram.length) break;
    const version = view.getUint16(1);
    if (version >> 8 !== 0xfe) break;
    if (view.getUint16(3) === 0) {
      const start = at + recordHeader;
      records.push({ type: view.getUint8(0), body: datagram.subarray(start, start + length) });
    }
    at += recordHeader + length;
  }
  return records;
}

const messageHeader = 12;

/** Messages and first fragments of messages. */
function messagesOf(body: Uint8Array): readonly { readonly type: number; readonly body: Uint8Array }[] {
  const found: { type: number; body: Uint8Array }[] = [];
  let at = 0;
  while (at + messageHeader <= body.length) {
    const offset = u24(body, at + 6);
    const length = u24(body, at + 9);
    const start = at + messageHeader;
    if (start + length > body.length) break;
    if (offset === 0) found.push({ type: body[at] as number, body: body.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function u24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

function readCookie(body: Uint8Array): Uint8Array | undefined {
  const length = body[2] ?? 0;
  return body.length >= 3 + length ? body.subarray(3, 3 + length) : undefined;
}

function readHello(body: Uint8Array): ServerHello | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const sessionLength = body[34];
  if (sessionLength === undefined) return undefined;
  const suiteAt = 35 + sessionLength;
  if (suiteAt + 3 > body.length) return undefined;
  const extensions = new Map<number, Uint8Array>();
  let at = suiteAt + 5;
  while (at + 4 <= body.length) {
    const length = view.getUint16(at + 2);
    if (at + 4 + length > body.length) break;
    extensions.set(view.getUint16(at), body.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const negotiated = extensions.get(supportedVersions);
  return {
    version:
      negotiated?.length === 2
        ? ((negotiated[0] as number) << 8) | (negotiated[1] as number)
        : view.getUint16(0),
    suite: view.getUint16(suiteAt),
    extensions,
    isRetryRequest: Buffer.from(body.subarray(2, 34)).toString('hex') === retryRandom,
  };
}

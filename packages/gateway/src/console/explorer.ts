/**
 * Requests to CoAP servers for users of the console, with the library's own client: any transport, options by name, and what passed on
 * the way. Each has a client of its own, which ends with it; how many there are at a time, how long each lasts and how much it brings
 * is bounded.
 */
import { isIP } from 'node:net';
import {
  Client,
  type ClientOptions,
  codeName,
  contentFormatOf,
  type Method,
  type OptionEntry,
  type OptionReader,
  type OscoreContext,
  type RequestOptions,
} from 'coapsule';
import { OptionNumber, optionDefinition } from 'coapsule/message';
import { responseCodes } from '../advice/response-codes.ts';
import { optionName, optionText } from '../cli/message-text.ts';
import { hexBytes } from '../cli/option-values.ts';
import { expectOneServer, type TargetUri, targetUri } from '../cli/target-uri.ts';
import { optionNumberOf } from '../filter/option-number.ts';
import { ApiFailure } from './api-failure.ts';
import type { ExplorerRequest, ExplorerResponse, ExplorerTarget } from './api-types.ts';
import { formatName } from './explorer-commands.ts';
import { explorerProof, type SearchedCredentials } from './explorer-credentials.ts';
import { type ExplorerContext, explorerContext } from './explorer-oscore.ts';
import { bytesOf, hexOf } from './hex.ts';
import { refused } from './peer-problem.ts';
import { mostPayloadBytes } from './request-schemas.ts';
import type { SessionUser } from './sessions.ts';

const usualTimeoutSeconds = 30;

/** What a request of the explorer becomes. */
export interface ExplorerPlan {
  readonly uri: TargetUri;
  /** Whom the datagrams go to: the server, or the proxy. */
  readonly hop: TargetUri;
  readonly clientOptions: ClientOptions;
  /** What protects each request end to end, besides or alone. */
  readonly oscore: ExplorerContext | undefined;
  readonly timeoutMs: number;
  /** What a user should know of what was given, one sentence each. */
  readonly notes: readonly string[];
}

/** A request that has its place, until it ends. */
export interface BegunRequest {
  readonly plan: ExplorerPlan;
  /** The context of the plan, open. */
  readonly context: OscoreContext | undefined;
  /** Gives back the place, then the context. @param client What was used, which is closed. */
  end(client?: Client): void;
}

/**
 * Who is asked, and as whom.
 *
 * @throws ApiFailure for a URI that is none, and for a credential that this user may not use.
 */
export function explorerPlan(
  {
    uri: text,
    credential,
    oscore: typedContext,
    timeoutSeconds = usualTimeoutSeconds,
    proxy,
  }: ExplorerTarget & Pick<ExplorerRequest, 'proxy'>,
  user: SessionUser,
  named: SearchedCredentials,
): ExplorerPlan {
  const uri = checkedUri(text);
  const hop = proxy === undefined ? uri : checkedUri(proxy.uri);
  // It opens a device file of the gateway's machine.
  if ((uri.line ?? hop.line) !== undefined && user.role !== 'admin')
    throw new ApiFailure('forbidden', 'serial lines of the gateway are for the role admin');
  const { proof, oscore: storedContext } = explorerProof(credential, { user, uri, hop }, named);
  if (typedContext !== undefined && storedContext !== undefined)
    throw new ApiFailure(
      'invalid',
      'there are two OSCORE contexts: that of the credential and one that is typed in',
      'leave one of them out',
    );
  const oscore = typedContext === undefined ? storedContext : explorerContext(typedContext);
  if (hop.secure && proof === undefined)
    throw new ApiFailure(
      'invalid',
      `${hop.scheme} needs a credential`,
      'choose one, or give identity and key, a raw public key or a certificate',
    );
  const clientOptions = proof === undefined || !hop.secure ? {} : proof;
  refused(() => void new Client(clientOptions).close());
  const notes =
    proof !== undefined && !hop.secure && oscore === undefined
      ? [
          `the credential is not used: ${hop.scheme} is not secured, ${hop.scheme.replace('coap', 'coaps')} is`,
        ]
      : [];
  return { uri, hop, clientOptions, oscore, timeoutMs: timeoutSeconds * 1000, notes };
}

function checkedUri(text: string): TargetUri {
  return refused(() => {
    const uri = targetUri(text);
    expectOneServer(uri, 'the explorer asks one server');
    return uri;
  });
}

/** A client for one exchange. */
export function explorerClient(
  { plan, context }: Pick<BegunRequest, 'plan' | 'context'>,
  request: Pick<ExplorerRequest, 'lossRate' | 'retransmits' | 'duplicates'>,
  trace: NonNullable<ClientOptions['trace']>,
): Client {
  const { lossRate = 0, retransmits = true, duplicates = false } = request;
  // A connection loses nothing, and repeats nothing.
  const isDatagram = !/\+(?:tcp|ws)$/.test(plan.hop.scheme);
  return new Client({
    ...plan.clientOptions,
    trace,
    ...(context !== undefined && { oscore: context }),
    ...(isDatagram && lossRate > 0 && { lossRate }),
    ...(isDatagram && duplicates && { duplicateRate: 1 }),
    ...(!retransmits && { transmission: { maxRetransmit: 0 } }),
  });
}

/** As the library has methods. */
export function methodOfRequest({ method }: ExplorerRequest): Method {
  return method === 'iPATCH' ? 'IPATCH' : method;
}

/** @throws ApiFailure for an option that is not known, or a value that it cannot have. */
export function explorerOptions(request: ExplorerRequest, { uri, timeoutMs }: ExplorerPlan): RequestOptions {
  const { type, payloadHex = '', contentFormat, accept, blockSize, options = [] } = request;
  const { tokenHex, proxy } = request;
  for (const format of [contentFormat, accept]) {
    if (typeof format === 'string' && contentFormatOf(format) === undefined)
      throw new ApiFailure('invalid', `there is no content format of this name: ${format}`);
  }
  if (blockSize !== undefined && (blockSize & (blockSize - 1)) !== 0)
    throw new ApiFailure('invalid', 'block sizes are 16, 32, 64, 128, 256, 512 and 1024');
  const given = options.map(messageOption);
  // A name in the URI is Uri-Host already, and there is one (RFC 7252 §5.10.1).
  if (
    uri.host !== '' &&
    isIP(uri.host.replace(/%.*$/, '')) === 0 &&
    given.some(({ number }) => number === OptionNumber.UriHost)
  )
    throw new ApiFailure(
      'invalid',
      `${uri.host} of the address is Uri-Host already`,
      'write the server as an IP address, such as coap://192.0.2.7/, to send another Uri-Host',
    );
  return {
    ...{ timeoutMs, whenBusy: 'send' as const },
    ...(payloadHex !== '' && { payload: bytesOf(payloadHex) }),
    ...(contentFormat !== undefined && { contentFormat }),
    ...(accept !== undefined && { accept }),
    ...(blockSize !== undefined && { blockSize }),
    ...(type === 'NON' && { confirmable: false }),
    ...(tokenHex !== undefined && { token: bytesOf(tokenHex) }),
    ...(proxy !== undefined && { proxy }),
    ...(given.length > 0 && { options: given }),
  };
}

function messageOption({
  option,
  value,
}: NonNullable<ExplorerRequest['options']>[number]): NonNullable<RequestOptions['options']>[number] {
  // A number is given as one, and digits are no name.
  const number =
    typeof option === 'number' ? option : /^\d+$/.test(option) ? undefined : optionNumberOf(option);
  if (number === undefined) throw new ApiFailure('invalid', `there is no option of this name: ${option}`);
  if (value.startsWith('0x')) {
    const bytes = hexBytes(value.slice(2));
    if (bytes === undefined) throw new ApiFailure('invalid', 'after 0x come pairs of hexadecimal digits');
    return { number, value: bytes };
  }
  if (optionDefinition(number)?.format !== 'uint') return { number, value };
  const [, block, size, more] = blocks.has(number)
    ? (/^(\d{1,7})\/(\d{2,4})(\/more)?$/.exec(value) ?? [])
    : [];
  if (block !== undefined) {
    const szx = Math.log2(Number(size)) - 4;
    if (!Number.isInteger(szx) || szx < 0 || szx > 6 || Number(block) >= 2 ** 20)
      throw new ApiFailure(
        'invalid',
        `${option} is "${value}": a block has a number below 2^20 and 16, 32, 64, 128, 256, 512 or 1024 bytes (RFC 7959 §2.2)`,
        'write it as NUMBER/SIZE or NUMBER/SIZE/more, such as 3/64',
      );
    return { number, value: Number(block) * 16 + (more === undefined ? 0 : 8) + szx };
  }
  if (!/^\d{1,10}$/.test(value) || Number(value) > 0xffff_ffff)
    throw new ApiFailure('invalid', `the value of ${option} is a number`);
  return { number, value: Number(value) };
}

const blocks: ReadonlySet<number> = new Set([OptionNumber.Block1, OptionNumber.Block2]);

/** A response as the console has it. @param payload Of which no more than a mebibyte is given. */
export function explorerResponse(
  {
    code,
    codeText,
    options,
    contentFormat,
    etag,
    maxAgeSeconds,
  }: {
    readonly code: number;
    readonly codeText: string;
    readonly options: OptionReader;
    readonly contentFormat: number | undefined;
    readonly etag: Uint8Array | undefined;
    readonly maxAgeSeconds: number;
  },
  payload: Uint8Array,
): ExplorerResponse {
  const entries: OptionEntry[] = [...options.entries()];
  const shown = payload.subarray(0, mostPayloadBytes);
  return {
    code: codeText,
    codeName: codeName(code as Parameters<typeof codeName>[0]) ?? '',
    explanation: responseCodes.find((known) => known.code === code)?.description ?? '',
    options: entries.map(({ number, value }) => ({
      ...{ number, name: optionName(number), value: optionText({ number, value }), valueHex: hexOf(value) },
    })),
    contentFormat: contentFormat ?? null,
    contentFormatName: formatName(contentFormat),
    payloadHex: hexOf(shown),
    isPayloadCut: shown.length < payload.length,
    etagHex: etag === undefined ? null : hexOf(etag),
    maxAgeSeconds,
  };
}

/**
 * A request of the explorer as commands and as a program (copy-as/): for a terminal, a script, a report of a fault. Keys are left out.
 */
import { type ClientOptions, contentFormatName, contentFormatOf } from 'coapsule';
import { encodeUint } from 'coapsule/message';
import { type CopyForm, copyForms } from '../copy-as/copy-as.ts';
import type { SeenRequest } from '../copy-as/seen-request.ts';
import type { ExplorerRequest, ExplorerResult } from './api-types.ts';
import { credentialReference } from './explorer-credentials.ts';
import { bytesOf } from './hex.ts';

/** In the order in which they are shown. @param options With their numbers, as `explorerOptions` has them. */
export function requestCommands(
  request: ExplorerRequest,
  { clientOptions, oscore }: { readonly clientOptions: ClientOptions; readonly oscore: unknown },
  options: readonly { readonly number: number; readonly value: Uint8Array | string | number }[],
  observes: boolean,
): ExplorerResult['commands'] {
  const { uri, method, type, payloadHex = '' } = request;
  const contentFormat = formatNumber(request.contentFormat);
  const accept = formatNumber(request.accept);
  const credentials = credentialReference(request.credential, clientOptions);
  const seen: SeenRequest = {
    ...{ uri, observes, method: method === 'iPATCH' ? 'IPATCH' : method },
    confirmable: type !== 'NON',
    ...(contentFormat !== undefined && { contentFormat }),
    ...(accept !== undefined && { accept }),
    options: options.map(({ number, value }) => ({ number, value: valueBytes(value) })),
    payload: bytesOf(payloadHex),
    ...(credentials !== undefined && { credentials }),
    ...(oscore !== undefined && { oscore: true }),
    notes: notesOf(request),
  };
  return (Object.keys(copyForms) as CopyForm[]).map((tool) => {
    const { text, notes } = copyForms[tool](seen);
    return { tool, command: text, notes };
  });
}

/** What commands of other programs do not do, or do by another option. */
function notesOf({
  proxy,
  tokenHex,
  duplicates,
  retransmits,
  lossRate = 0,
}: ExplorerRequest): readonly string[] {
  return [
    ...(proxy === undefined
      ? []
      : [`It goes through the proxy ${proxy.uri}: say so with the program's own option.`]),
    ...(tokenHex === undefined ? [] : [`The token ${tokenHex} is left out.`]),
    ...(duplicates || retransmits === false || lossRate > 0
      ? ['Loss, duplicates and the end of retransmission are of the explorer alone.']
      : []),
  ];
}

function valueBytes(value: Uint8Array | string | number): Uint8Array {
  if (typeof value === 'number') return encodeUint(value);
  return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}

function formatNumber(format: number | string | undefined): number | undefined {
  return typeof format === 'string' ? contentFormatOf(format) : format;
}

/** The registered name of a format. */
export function formatName(format: number | undefined): string | null {
  return format === undefined ? null : (contentFormatName(format) ?? null);
}

/**
 * A request of the explorer as commands and as a program (copy-as/): for a terminal, a script, a report of a fault. Keys are left out.
 */
import { contentFormatName, contentFormatOf } from 'coapsule';
import { encodeUint } from 'coapsule/message';
import { type CopyForm, copyForms } from '../copy-as/copy-as.ts';
import type { SeenRequest } from '../copy-as/seen-request.ts';
import type { ExplorerCredential, ExplorerRequest, ExplorerResult } from './api-types.ts';
import { bytesOf } from './hex.ts';

/** In the order in which they are shown. @param options With their numbers, as `explorerOptions` has them. */
export function requestCommands(
  request: ExplorerRequest,
  options: readonly { readonly number: number; readonly value: Uint8Array | string | number }[],
  observes: boolean,
): ExplorerResult['commands'] {
  const { uri, method, type, payloadHex = '' } = request;
  const contentFormat = formatNumber(request.contentFormat);
  const accept = formatNumber(request.accept);
  const identity = identityOf(request.credential);
  const seen: SeenRequest = {
    ...{ uri, observes, method: method === 'iPATCH' ? 'IPATCH' : method },
    confirmable: type !== 'NON',
    ...(contentFormat !== undefined && { contentFormat }),
    ...(accept !== undefined && { accept }),
    options: options.map(({ number, value }) => ({ number, value: valueBytes(value) })),
    payload: bytesOf(payloadHex),
    ...(identity !== undefined && { credentials: { kind: 'psk', identity } as const }),
    notes: [],
  };
  return (Object.keys(copyForms) as CopyForm[]).map((tool) => {
    const { text, notes } = copyForms[tool](seen);
    return { tool, command: text, notes };
  });
}

function identityOf(credential: ExplorerCredential | undefined): string | undefined {
  if (credential === undefined || credential.kind === 'none') return undefined;
  return credential.kind === 'psk' ? credential.identity : credential.id;
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

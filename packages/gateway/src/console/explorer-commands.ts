/**
 * A request of the explorer as commands and as a program: for a terminal, a script, a report of a fault. Keys are left out.
 */
import { contentFormatName, contentFormatOf } from 'coapsule';
import { printableUtf8 } from '../text/printable.ts';
import type { ExplorerRequest, ExplorerResult } from './api-types.ts';
import { bytesOf } from './hex.ts';
import { shellQuoted } from './shell-quoted.ts';

/** In the order in which they are shown. */
export function requestCommands(request: ExplorerRequest): ExplorerResult['commands'] {
  const { method, uri, type, payloadHex = '', credential } = request;
  const payload = payloadOf(payloadHex);
  const format = formatNumber(request.contentFormat);
  const accept = formatNumber(request.accept);
  const identity =
    credential === undefined || credential.kind === 'none'
      ? undefined
      : credential.kind === 'psk'
        ? credential.identity
        : credential.id;
  const secured = identity === undefined ? [] : ['-u', shellQuoted(identity), '-k', 'KEY'];
  const extra = (request.options ?? []).filter(({ option }) => typeof option === 'number');
  const common = [
    ...(type === 'NON' ? ['-N'] : []),
    ...(payload === undefined ? [] : ['-e', shellQuoted(payload)]),
    ...(format === undefined ? [] : ['-t', String(format)]),
    ...(accept === undefined ? [] : ['-A', String(accept)]),
    ...(request.blockSize === undefined ? [] : ['-b', String(request.blockSize)]),
    ...extra.flatMap(({ option, value }) => ['-O', shellQuoted(`${option},${value}`)]),
    ...secured,
  ];
  const verb = method.toLowerCase();
  return [
    { tool: 'coapsule', command: ['coapsule', verb, shellQuoted(uri), ...common].join(' ') },
    { tool: 'coap-client', command: ['coap-client', '-m', verb, ...common, shellQuoted(uri)].join(' ') },
    {
      tool: 'aiocoap-client',
      command: [
        ...['aiocoap-client', '-m', method],
        ...(type === 'NON' ? ['--non'] : []),
        ...(payload === undefined ? [] : ['--payload', shellQuoted(payload)]),
        ...(format === undefined ? [] : ['--content-format', String(format)]),
        ...(accept === undefined ? [] : ['--accept', String(accept)]),
        ...(identity === undefined ? [] : ['--credentials', 'credentials.json']),
        shellQuoted(uri),
      ].join(' '),
    },
    { tool: 'typescript', command: program(request, payload, identity) },
  ];
}

function program(
  { method, uri, type, contentFormat, accept, blockSize }: ExplorerRequest,
  payload: string | undefined,
  identity: string | undefined,
): string {
  const options = [
    ...(payload === undefined ? [] : [`payload: ${JSON.stringify(payload)}`]),
    ...(contentFormat === undefined ? [] : [`contentFormat: ${JSON.stringify(contentFormat)}`]),
    ...(accept === undefined ? [] : [`accept: ${JSON.stringify(accept)}`]),
    ...(type === 'NON' ? ['confirmable: false'] : []),
    ...(blockSize === undefined ? [] : [`blockSize: ${blockSize}`]),
  ];
  const credentials = identity === undefined ? '' : `{ psk: { identity: ${JSON.stringify(identity)}, key } }`;
  const verb = method === 'iPATCH' ? 'IPATCH' : method;
  return [
    "import { Client } from 'coapsule';",
    '',
    `await using client = new Client(${credentials});`,
    `const response = await client.request('${verb}', ${JSON.stringify(uri)}, { ${options.join(', ')} });`,
    'console.log(response.codeText, response.text());',
  ]
    .join('\n')
    .replace('{  }', '{}');
}

/** As text; undefined where there is none, or it is not text: commands take files for that. */
function payloadOf(hex: string): string | undefined {
  if (hex === '') return undefined;
  const bytes = bytesOf(hex);
  const text = printableUtf8(bytes, Number.POSITIVE_INFINITY);
  return text !== undefined && text === new TextDecoder().decode(bytes) ? text : undefined;
}

function formatNumber(format: number | string | undefined): number | undefined {
  return typeof format === 'string' ? contentFormatOf(format) : format;
}

/** The registered name of a format. */
export function formatName(format: number | undefined): string | null {
  return format === undefined ? null : (contentFormatName(format) ?? null);
}

/**
 * A request as a TypeScript program with our library.
 *
 * @module
 */

import { optionDefinition } from 'coapsule/message';
import type { CopiedRequest, SeenRequest } from './seen-request.ts';
import { plainText } from './shell-words.ts';

/** See the module comment. */
export function copyAsTypeScript(request: SeenRequest): CopiedRequest {
  const { method, uri, confirmable, observes, contentFormat, accept, options, payload, credentials } =
    request;
  const notes = [...request.notes];
  const settings: string[] = [];
  if (observes && method !== 'GET') settings.push(`method: ${literal(method)}`);
  if (!confirmable) settings.push('confirmable: false');
  if (contentFormat !== undefined) settings.push(`contentFormat: ${contentFormat}`);
  if (accept !== undefined) settings.push(`accept: ${accept}`);
  if (options.length > 0) {
    const entries = options.map(({ number, value }) => {
      const name = optionDefinition(number)?.name;
      return `    { number: ${number}, value: ${bytesText(value)} },${name === undefined ? '' : ` // ${name}`}`;
    });
    settings.push(['options: [', ...entries, '  ]'].join('\n'));
  }
  if (payload.length > 0) {
    const text = plainText(payload);
    settings.push(`payload: ${text === undefined ? bytesText(payload) : literal(text)}`);
  }
  const given = settings.length === 0 ? '' : `, {\n${settings.map((one) => `  ${one},`).join('\n')}\n}`;
  const before: string[] = [];
  const imported = ['Client'];
  let security = '';
  switch (credentials?.kind) {
    case 'psk':
      before.push("import { readFileSync } from 'node:fs';");
      security = `{ psk: { identity: ${literal(credentials.identity)}, key: readFileSync('psk.key') } }`;
      notes.push('psk.key has the bytes of the key');
      break;
    case 'certificate':
      before.push("import { readFileSync } from 'node:fs';");
      security = [
        '{',
        "  certificate: { chain: readFileSync('client.pem'), privateKey: readFileSync('client.key') },",
        "  trustAnchors: readFileSync('ca.pem'),",
        '}',
      ].join('\n');
      notes.push('name the files of your certificate, its key and the authority');
      break;
    case 'raw-public-key':
      before.push("import { readFileSync } from 'node:fs';");
      security = [
        '{',
        "  rawPublicKey: { privateKey: readFileSync('client-rpk.pem') },",
        "  peerPublicKeys: readFileSync('server-rpk.pem'),",
        '}',
      ].join('\n');
      notes.push('name the files of your raw public key and of that of the server');
      break;
    case 'authority':
      before.push("import { readFileSync } from 'node:fs';");
      security = "{ trustAnchors: readFileSync('ca.pem') }";
      notes.push('name the file of the authority of the server');
  }
  const context: string[] = [];
  if (request.oscore === true) {
    imported.push('OscoreContext', 'openOscoreFile');
    context.push(
      'const oscore = await OscoreContext.open({',
      "  masterSecret: Buffer.from(process.env['OSCORE_SECRET'] ?? '', 'hex'),",
      "  senderId: Buffer.from(process.env['OSCORE_SENDER_ID'] ?? '', 'hex'),",
      "  recipientId: Buffer.from(process.env['OSCORE_RECIPIENT_ID'] ?? '', 'hex'),",
      "  store: await openOscoreFile('client.sequence'),",
      '  firstUse: true,',
      '});',
    );
    security = security === '' ? '{ oscore }' : security.replace(/^\{/, '{ oscore,');
    notes.push(
      'put the parameters of your end of the OSCORE context into the variables, and its salt and ID Context beside them; firstUse is for the first run alone',
    );
  }
  const use = observes
    ? [
        `for await (const response of client.observe(${literal(uri)}${given})) {`,
        '  console.log(response.codeText, response.text());',
        '}',
      ]
    : [
        `const response = await client.request(${literal(method)}, ${literal(uri)}${given});`,
        'console.log(response.codeText, response.text());',
      ];
  const lines = [
    ...before,
    `import { ${imported.join(', ')} } from 'coapsule';`,
    '',
    ...context,
    `const client = new Client(${security});`,
    ...use,
    'await client.close();',
    ...(context.length === 0 ? [] : ['await oscore.close();']),
    '',
  ];
  return { text: lines.join('\n'), notes };
}

/** A string of JavaScript: JSON is one, but for quotes; what does not print is written out. */
function literal(text: string): string {
  const json = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  return `'${json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`)}'`;
}

function bytesText(bytes: Uint8Array): string {
  return `Uint8Array.of(${Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(', ')})`;
}

/**
 * What a device needs in its firmware to connect: for libcoap (also ESP-IDF), Zephyr, aiocoap and this library. Pure function.
 *
 * Identities and paths come from people: they are written as literals of each language, so that nothing in them ends a string.
 *
 * @module
 */

import type { GeneratedSecret, SnippetFacts } from '../../src/console/api-types.ts';

/** A piece of a program or of a file. */
export interface Snippet {
  readonly title: string;
  readonly text: string;
}

/** For the tools that speak what the secret is for. */
export function firmwareSnippets(secret: GeneratedSecret, facts: SnippetFacts): readonly Snippet[] {
  return secret.kind === 'psk'
    ? pskSnippets(secret.identity, secret.keyHex, facts)
    : oscoreSnippets(secret, facts);
}

function pskSnippets(
  identity: string,
  keyHex: string,
  { host, port, gatewayUri, path }: SnippetFacts,
): readonly Snippet[] {
  const resource = path ?? '/.well-known/core';
  const uri = gatewayUri + resource;
  const cKey = `{ ${pairs(keyHex)
    .map((pair) => `0x${pair}`)
    .join(', ')} }`;
  const cIdentity = cString(identity);
  return [
    {
      title: 'libcoap, ESP-IDF (C)',
      text: `#include <coap3/coap.h>

static const uint8_t key[] = ${cKey};
static const char identity[] = ${cIdentity};

/* server: the address of ${cComment(host)}, port ${port} */
static coap_session_t *connect_to_gateway(coap_context_t *context, const coap_address_t *server) {
  coap_dtls_cpsk_t psk = { .version = COAP_DTLS_CPSK_SETUP_VERSION };
  psk.psk_info.identity.s = (const uint8_t *)identity;
  psk.psk_info.identity.length = sizeof identity - 1;
  psk.psk_info.key.s = key;
  psk.psk_info.key.length = sizeof key;
  return coap_new_client_session_psk2(context, NULL, server, COAP_PROTO_DTLS, &psk);
}
`,
    },
    {
      title: 'Zephyr (C)',
      text: `#include <zephyr/net/socket.h>
#include <zephyr/net/tls_credentials.h>

#define GATEWAY_TAG 1
static const uint8_t key[] = ${cKey};
static const char identity[] = ${cIdentity};

/* Then connect() to ${cComment(host)}, port ${port}, and send CoAP over the socket. */
static int gateway_socket(void) {
  const sec_tag_t tags[] = { GATEWAY_TAG };
  tls_credential_add(GATEWAY_TAG, TLS_CREDENTIAL_PSK, key, sizeof key);
  tls_credential_add(GATEWAY_TAG, TLS_CREDENTIAL_PSK_ID, identity, sizeof identity - 1);
  int sock = zsock_socket(AF_INET, SOCK_DGRAM, IPPROTO_DTLS_1_2);
  if (sock < 0) return sock;
  zsock_setsockopt(sock, SOL_TLS, TLS_SEC_TAG_LIST, tags, sizeof tags);
  return sock;
}
`,
    },
    {
      title: 'aiocoap (credentials.json)',
      text: `${JSON.stringify(
        {
          [`${gatewayUri}/*`]: { dtls: { psk: { hex: keyHex }, 'client-identity': { ascii: identity } } },
        },
        undefined,
        2,
      )}
`,
    },
    {
      title: 'coapsule (TypeScript)',
      text: `import { Client } from 'coapsule';

const key = Uint8Array.from([${pairs(keyHex)
        .map((pair) => `0x${pair}`)
        .join(', ')}]);
const client = new Client({ psk: { identity: ${JSON.stringify(identity)}, key } });
const response = await client.${path === null ? 'get' : 'put'}(${JSON.stringify(uri)}${path === null ? '' : ", { payload: '22.5' }"});
console.log(response.codeText);
await client.close();
`,
    },
  ];
}

function oscoreSnippets(
  secret: Extract<GeneratedSecret, { readonly kind: 'oscore' }>,
  { gatewayUri, path }: SnippetFacts,
): readonly Snippet[] {
  const { masterSecretHex, masterSaltHex, senderIdHex, recipientIdHex, aead, file } = secret;
  return [
    { title: 'libcoap, coapsule (OSCORE file)', text: file },
    {
      title: 'aiocoap (settings.json of a context folder)',
      text: `${JSON.stringify(
        {
          ...{ 'sender-id_hex': senderIdHex, 'recipient-id_hex': recipientIdHex },
          ...{ secret_hex: masterSecretHex, salt_hex: masterSaltHex },
          ...{ algorithm: aead, 'kdf-hashfun': 'sha256' },
        },
        undefined,
        2,
      )}
`,
    },
    {
      title: 'aiocoap (credentials.json)',
      text: `${JSON.stringify({ [`${gatewayUri}${path ?? '/*'}`]: { oscore: { basedir: 'context' } } }, undefined, 2)}
`,
    },
  ];
}

function pairs(hex: string): readonly string[] {
  return hex.match(/../g) ?? [];
}

/** C: what is not plain is written in octal, which ends after three digits (C11 §6.4.4.4). */
function cString(text: string): string {
  const letters = Array.from(new TextEncoder().encode(text), (byte) => {
    const letter = String.fromCharCode(byte);
    return byte < 32 || byte > 126 || letter === '"' || letter === '\\' || letter === '?'
      ? `\\${byte.toString(8).padStart(3, '0')}`
      : letter;
  });
  return `"${letters.join('')}"`;
}

/** What stands in a comment of C ends it nowhere. */
function cComment(text: string): string {
  return text.replaceAll('*/', '* /').replace(/[\r\n]/g, ' ');
}

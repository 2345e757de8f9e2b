/**
 * What a device needs in its firmware to connect: for libcoap (also ESP-IDF), Zephyr, aiocoap and this library. Pure function.
 *
 * Identities and paths come from people: they are written as literals of each language, so that nothing in them ends a string.
 *
 * @module
 */

import type { GeneratedSecret, SecurityKind, SnippetFacts } from '../../src/console/api-types.ts';

/** A piece of a program or of a file; or why a stack has no such thing. */
export type Snippet =
  | { readonly title: string; readonly text: string; readonly fileName?: string }
  | { readonly title: string; readonly cannot: StackLimit };

/** What some stacks lack; the words are in the catalogue. */
export type StackLimit = 'psk-aiocoap' | 'rpk-mbedtls' | 'rpk-zephyr' | 'rpk-aiocoap' | 'x509-aiocoap';

/** What was made in the page of the wizard, in PEM. */
export interface DeviceFiles {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  /** Undefined for a raw public key. */
  readonly certificatePem?: string;
}

/** What snippets are made of. */
export interface Firmware {
  /** Null for what the device has brought. */
  readonly secret: GeneratedSecret | null;
  readonly facts: SnippetFacts;
  readonly security: SecurityKind;
  /** Undefined where the device has its own. */
  readonly files: DeviceFiles | undefined;
}

/** For the tools that speak what the credential is for. */
export function firmwareSnippets({ secret, facts, security, files }: Firmware): readonly Snippet[] {
  if (secret !== null)
    return secret.kind === 'psk'
      ? pskSnippets(secret.identity, secret.keyHex, facts)
      : oscoreSnippets(secret, facts);
  // What no gateway can prove is of no use.
  if (facts.trust.fingerprint === null) return [];
  if (security === 'rpk') return rpkSnippets(facts, files);
  return security === 'x509' ? x509Snippets(facts, files) : [];
}

function pskSnippets(
  identity: string,
  keyHex: string,
  { host, port, gatewayUri, path, fileBase }: SnippetFacts,
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
    // Its DTLS is tinydtls (DTLS_PSK_MAX_KEY_LEN, DTLS_PSK_MAX_CLIENT_IDENTITY_LEN).
    keyHex.length > 32 || new TextEncoder().encode(identity).length > 32
      ? { title: 'aiocoap', cannot: 'psk-aiocoap' }
      : {
          title: 'aiocoap (credentials.json)',
          fileName: 'credentials.json',
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
      fileName: `${fileBase}.ts`,
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
  { gatewayUri, path, fileBase }: SnippetFacts,
): readonly Snippet[] {
  const { masterSecretHex, masterSaltHex, senderIdHex, recipientIdHex, aead, file } = secret;
  const uri = JSON.stringify(gatewayUri + (path ?? '/.well-known/core'));
  return [
    { title: 'libcoap, coapsule (OSCORE file)', text: file, fileName: `${fileBase}.oscore` },
    {
      title: 'aiocoap (settings.json of the folder context)',
      fileName: 'settings.json',
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
      fileName: 'credentials.json',
      text: `${JSON.stringify({ [`${gatewayUri}/*`]: { oscore: { basedir: 'context' } } }, undefined, 2)}
`,
    },
    {
      title: 'coapsule (TypeScript)',
      fileName: `${fileBase}.ts`,
      text: `import { existsSync } from 'node:fs';
import { Client, OscoreContext, openOscoreFile } from 'coapsule';

const sequence = '${fileBase}.sequence';
// Numbers that are lost are a context that is lost (RFC 8613 section 7.5): keep this file.
const firstUse = !existsSync(sequence);
const oscore = await OscoreContext.open({
  masterSecret: ${tsBytes(masterSecretHex)},
  masterSalt: ${tsBytes(masterSaltHex)},
  senderId: ${tsBytes(senderIdHex)},
  recipientId: ${tsBytes(recipientIdHex)},
  aead: ${JSON.stringify(aead)},
  store: await openOscoreFile(sequence),
  firstUse,
});
const client = new Client({ oscore });
const response = await client.${path === null ? 'get' : 'put'}(${uri}${path === null ? '' : ", { payload: '22.5' }"});
console.log(response.codeText);
await client.close();
await oscore.close();
`,
    },
  ];
}

function rpkSnippets(facts: SnippetFacts, files: DeviceFiles | undefined): readonly Snippet[] {
  const { host, port, fileBase, trust } = facts;
  const gatewayKey = spkiHex(trust.publicKeyPem ?? '');
  return [
    {
      title: 'libcoap with GnuTLS or TinyDTLS (C)',
      text: `#include <string.h>
#include <coap3/coap.h>

/* ${cComment(fileBase)}.key: the private key. */
static const char private_key[] = ${cPem(files?.privateKeyPem)};
/* And the public key. */
static const char public_key[] = ${cPem(files?.publicKeyPem)};
/* The public key of the gateway (SubjectPublicKeyInfo). */
static const uint8_t gateway_key[] = { ${cBytes(gatewayKey)} };

static int is_gateway(const char *cn, const uint8_t *key, size_t length, coap_session_t *session,
                      unsigned int depth, int validated, void *arg) {
  (void)cn, (void)session, (void)depth, (void)validated, (void)arg;
  return length == sizeof gateway_key && memcmp(key, gateway_key, length) == 0;
}

/* server: the address of ${cComment(host)}, port ${port} */
static coap_session_t *connect_to_gateway(coap_context_t *context, const coap_address_t *server) {
  coap_dtls_pki_t pki = { .version = COAP_DTLS_PKI_SETUP_VERSION };
  pki.verify_peer_cert = 1;
  pki.is_rpk_not_cert = 1;
  pki.validate_cn_call_back = is_gateway;
  pki.pki_key.key_type = COAP_PKI_KEY_PEM_BUF;
  pki.pki_key.key.pem_buf.public_cert = (const uint8_t *)public_key;
  pki.pki_key.key.pem_buf.public_cert_len = sizeof public_key;
  pki.pki_key.key.pem_buf.private_key = (const uint8_t *)private_key;
  pki.pki_key.key.pem_buf.private_key_len = sizeof private_key;
  return coap_new_client_session_pki(context, NULL, server, COAP_PROTO_DTLS, &pki);
}
`,
    },
    { title: 'libcoap with Mbed TLS or OpenSSL, ESP-IDF', cannot: 'rpk-mbedtls' },
    { title: 'Zephyr', cannot: 'rpk-zephyr' },
    { title: 'aiocoap', cannot: 'rpk-aiocoap' },
    {
      title: 'coapsule (TypeScript)',
      fileName: `${fileBase}.ts`,
      text: typeScript(facts, [
        `rawPublicKey: { privateKey: readFileSync('${fileBase}.key') },`,
        `peerPublicKeys: ${JSON.stringify(trust.fingerprint)},`,
      ]),
    },
  ];
}

function x509Snippets(facts: SnippetFacts, files: DeviceFiles | undefined): readonly Snippet[] {
  const { host, port, fileBase, trust } = facts;
  const isName = !/^[\d.]+$|:/.test(host);
  const authority = cPem(trust.authorityPem ?? undefined);
  const pems = `/* ca.pem: the authority of the gateway. */
static const char authority[] = ${authority};
/* ${cComment(fileBase)}.pem */
static const char certificate[] = ${cPem(files?.certificatePem)};
/* ${cComment(fileBase)}.key */
static const char private_key[] = ${cPem(files?.privateKeyPem)};
`;
  return [
    {
      title: 'libcoap, ESP-IDF (C)',
      text: `#include <coap3/coap.h>

${pems}
/* server: the address of ${cComment(host)}, port ${port} */
static coap_session_t *connect_to_gateway(coap_context_t *context, const coap_address_t *server) {
${isName ? `  static char host[] = ${cString(host)};\n` : ''}  coap_dtls_pki_t pki = { .version = COAP_DTLS_PKI_SETUP_VERSION };
  pki.verify_peer_cert = 1;
  pki.cert_chain_validation = 1;
  pki.cert_chain_verify_depth = 3;
  pki.check_cert_revocation = 1;
  pki.allow_no_crl = 1;
${isName ? '  pki.client_sni = host;\n' : ''}  pki.pki_key.key_type = COAP_PKI_KEY_PEM_BUF;
  pki.pki_key.key.pem_buf.ca_cert = (const uint8_t *)authority;
  pki.pki_key.key.pem_buf.ca_cert_len = sizeof authority;
  pki.pki_key.key.pem_buf.public_cert = (const uint8_t *)certificate;
  pki.pki_key.key.pem_buf.public_cert_len = sizeof certificate;
  pki.pki_key.key.pem_buf.private_key = (const uint8_t *)private_key;
  pki.pki_key.key.pem_buf.private_key_len = sizeof private_key;
  return coap_new_client_session_pki(context, NULL, server, COAP_PROTO_DTLS, &pki);
}
`,
    },
    {
      title: 'Zephyr (C)',
      text: `#include <zephyr/net/socket.h>
#include <zephyr/net/tls_credentials.h>

#define GATEWAY_TAG 1
${pems}
/* Then connect() to ${cComment(host)}, port ${port}, and send CoAP over the socket.
 * CONFIG_NET_SOCKETS_SOCKOPT_TLS, CONFIG_NET_SOCKETS_ENABLE_DTLS. Before Zephyr 4.2 the certificate is
 * TLS_CREDENTIAL_SERVER_CERTIFICATE. */
static int gateway_socket(void) {
  const sec_tag_t tags[] = { GATEWAY_TAG };
  const int verify = TLS_PEER_VERIFY_REQUIRED;
  tls_credential_add(GATEWAY_TAG, TLS_CREDENTIAL_CA_CERTIFICATE, authority, sizeof authority);
  tls_credential_add(GATEWAY_TAG, TLS_CREDENTIAL_PUBLIC_CERTIFICATE, certificate, sizeof certificate);
  tls_credential_add(GATEWAY_TAG, TLS_CREDENTIAL_PRIVATE_KEY, private_key, sizeof private_key);
  int sock = zsock_socket(AF_INET, SOCK_DGRAM, IPPROTO_DTLS_1_2);
  if (sock < 0) return sock;
  zsock_setsockopt(sock, SOL_TLS, TLS_SEC_TAG_LIST, tags, sizeof tags);
  zsock_setsockopt(sock, SOL_TLS, TLS_PEER_VERIFY, &verify, sizeof verify);
${
  isName
    ? `  static const char host[] = ${cString(host)};\n  zsock_setsockopt(sock, SOL_TLS, TLS_HOSTNAME, host, sizeof host);\n`
    : '  /* NULL: the certificate is not compared with a name, since the address is an IP address. */\n  zsock_setsockopt(sock, SOL_TLS, TLS_HOSTNAME, NULL, 0);\n'
}  return sock;
}
`,
    },
    { title: 'aiocoap', cannot: 'x509-aiocoap' },
    {
      title: 'coapsule (TypeScript)',
      fileName: `${fileBase}.ts`,
      text: typeScript(facts, [
        `certificate: { chain: readFileSync('${fileBase}.pem'), privateKey: readFileSync('${fileBase}.key') },`,
        trust.authorityPem === null
          ? `peerPublicKeys: ${JSON.stringify(trust.fingerprint)},`
          : "trustAnchors: readFileSync('ca.pem'),",
      ]),
    },
  ];
}

function typeScript({ gatewayUri, path }: SnippetFacts, options: readonly string[]): string {
  const uri = JSON.stringify(gatewayUri + (path ?? '/.well-known/core'));
  return `import { readFileSync } from 'node:fs';
import { Client } from 'coapsule';

const client = new Client({
${options.map((line) => `  ${line}`).join('\n')}
});
const response = await client.${path === null ? 'get' : 'put'}(${uri}${path === null ? '' : ", { payload: '22.5' }"});
console.log(response.codeText);
await client.close();
`;
}

function tsBytes(hex: string): string {
  return `Uint8Array.of(${pairs(hex)
    .map((pair) => `0x${pair}`)
    .join(', ')})`;
}

function cBytes(hex: string): string {
  return pairs(hex)
    .map((pair) => `0x${pair}`)
    .join(', ');
}

/** PEM as C; where the file is not known, a place for it. */
function cPem(pem: string | undefined): string {
  if (pem === undefined) return '"" /* the text of the file */';
  return pem
    .trim()
    .split('\n')
    .map((line) => `\n  ${cString(`${line}\n`)}`)
    .join('');
}

/** The DER of a public key in PEM. */
function spkiHex(pem: string): string {
  const body = pem.replace(/-----[A-Z ]+-----|\s/g, '');
  return Array.from(atob(body), (letter) => letter.charCodeAt(0).toString(16).padStart(2, '0')).join('');
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

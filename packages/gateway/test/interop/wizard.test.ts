/**
 * What the wizard prints for a device that it has added, carried out as it stands: commands of our own, of libcoap and of aiocoap,
 * programs with our library, and programs in C with libcoap, against the gateway that runs.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { issuedCertificate, newDeviceKeys } from '../../console/system/device-keys.ts';
import { type DeviceFiles, firmwareSnippets } from '../../console/system/firmware-snippets.ts';
import type { DeviceWithSecret, NewCredential } from '../../src/console/api-types.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestConsole } from '../console/console-fixture.ts';
import { type PeerProgram, peerPython, peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { commandLine } from './programs.ts';

const workspace = join(import.meta.dirname, '../../../..');
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };

/** A device that the wizard has added: its folder has the files that the page gives to save. */
interface AddedDevice {
  readonly folder: string;
  readonly made: DeviceWithSecret;
  readonly files: DeviceFiles | undefined;
  /** Runs a printed command in a shell. */
  printed(tool: string, replaced?: readonly [string, string]): Promise<string>;
  /** The snippet whose title begins so. */
  snippet(title: string): string;
}

/** At a gateway that has what devices of this kind need. */
async function addedDevice(
  t: TestContext,
  id: string,
  kind: 'psk' | 'oscore' | 'rpk' | 'x509',
): Promise<AddedDevice> {
  const authority = await issueAuthority('Authority of devices', { type: 'p256', ...validity });
  const issuer = {
    certificate: new X509Certificate(authority.certificatePem),
    privateKey: createPrivateKey(authority.privateKeyPem),
  };
  const own = await issueCertificate(
    issuer,
    { role: 'server', commonName: 'gateway', names: ['127.0.0.1'], type: 'p256' },
    validity,
  );
  const started = await startTestConsole(t, {
    credentials: {
      psk: undefined,
      oscore: undefined,
      rpk: {
        ...{ certificate: undefined, authorities: undefined },
        rawPublicKey: { privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
      },
      x509: {
        certificate: { chain: own.certificatePem, privateKey: own.privateKeyPem },
        rawPublicKey: { privateKey: createPrivateKey(own.privateKeyPem) },
        authorities: new TextEncoder().encode(authority.certificatePem),
      },
    }[kind],
  });
  const user = await started.admin();
  const { credential, files } = await prepared(id, kind, authority);
  const made = await user.json<DeviceWithSecret>('POST', '/api/devices', { id, credential });
  assert.equal(made.snippets.missing, null);
  const folder = temporaryFolder(t);
  const { secret, snippets, device } = made;
  const firmware = firmwareSnippets({ secret, facts: snippets, security: device.security, files });
  const save = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  const { fileBase, trust } = snippets;
  if (files !== undefined) {
    const { privateKeyPem, publicKeyPem, certificatePem } = files;
    save(`${fileBase}.key`, certificatePem === undefined ? privateKeyPem + publicKeyPem : privateKeyPem);
    if (certificatePem !== undefined) save(`${fileBase}.pem`, certificatePem);
  }
  if (kind === 'x509') save('ca.pem', trust.authorityPem ?? assert.fail('there is no authority'));
  mkdirSync(join(folder, 'context'));
  for (const one of firmware) {
    if ('cannot' in one || one.fileName === undefined) continue;
    save(one.fileName === 'settings.json' ? 'context/settings.json' : one.fileName, one.text);
  }
  symlinkSync(join(workspace, 'node_modules'), join(folder, 'node_modules'));
  save('package.json', '{"type":"module"}');
  return {
    ...{ folder, made, files },
    async printed(tool, [from, to] = ['', '']) {
      const command = snippets.commands.find((one) => one.tool === tool)?.command ?? assert.fail(tool);
      const node = `'${process.execPath}' --conditions=@coapsule/source '${commandLine}'`;
      const { code, output } = await run(
        t,
        'sh',
        ['-c', `coapsule() { ${node} "$@"; }; ${command.replace(from, to)}`],
        {
          cwd: folder,
          env: { PATH: [dirname(peerPython), process.env['PATH']].join(delimiter) },
        },
      );
      assert.equal(code, 0, `${command}: ${output}`);
      assert.doesNotMatch(output, /4\.\d\d|5\.\d\d/, command);
      return output;
    },
    snippet(title) {
      const found = firmware.find((one) => one.title.startsWith(title));
      return found !== undefined && 'text' in found ? found.text : assert.fail(title);
    },
  };
}

/** What the page of the wizard does before it asks the gateway. */
async function prepared(
  id: string,
  kind: 'psk' | 'oscore' | 'rpk' | 'x509',
  authority: Awaited<ReturnType<typeof issueAuthority>>,
): Promise<{ readonly credential: NewCredential; readonly files: DeviceFiles | undefined }> {
  if (kind === 'psk') return { credential: { kind }, files: undefined };
  if (kind === 'oscore') return { credential: { kind }, files: undefined };
  const { publicKey, ...files } = await newDeviceKeys();
  if (kind === 'rpk') return { credential: { kind, publicKeyPem: files.publicKeyPem }, files };
  const certificate = await issuedCertificate(authority, { commonName: id, publicKey, days: 30 });
  assert.ok('value' in certificate, JSON.stringify(certificate));
  return {
    credential: { kind, certificatePem: certificate.value },
    files: { ...files, certificatePem: certificate.value },
  };
}

/** Runs the program that stands in the page. */
async function runTypeScript(t: TestContext, { folder, made }: AddedDevice): Promise<void> {
  const file = `${made.snippets.fileBase}.ts`;
  const { code, output } = await run(t, process.execPath, ['--conditions=@coapsule/source', file], {
    cwd: folder,
  });
  assert.equal(code, 0, output);
  assert.match(output, /^2\.0[14]$/m);
}

/** Compiles the C that stands in the page with a main that sends one request, and runs it. */
async function runC(
  t: TestContext,
  { folder, made: { snippets }, snippet }: AddedDevice,
  title: string,
  build: 'gnutls' | 'openssl',
): Promise<void> {
  const { host, port, path } = snippets;
  writeFileSync(join(folder, 'main.c'), `${snippet(title)}${mainText(host, port, path ?? '/')}`);
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'];
  const compiled = await run(t, 'gcc', [...warnings, '-o', 'main', 'main.c', `-lcoap-3-${build}`], {
    cwd: folder,
  });
  assert.equal(compiled.code, 0, compiled.output);
  const { code, output } = await run(t, join(folder, 'main'), [], { cwd: folder });
  assert.equal(code, 0, output);
  assert.match(output, /^2\.0[14]$/m);
}

function mainText(host: string, port: number, path: string): string {
  return `
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

static int done;
static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received,
                                   const coap_mid_t id) {
  (void)session, (void)sent, (void)id;
  coap_pdu_code_t code = coap_pdu_get_code(received);
  printf("%d.%02d\\n", code >> 5, code & 31);
  done = 1;
  return COAP_RESPONSE_OK;
}

int main(void) {
  coap_startup();
  coap_context_t *context = coap_new_context(NULL);
  coap_address_t server;
  coap_address_init(&server);
  server.addr.sin.sin_family = AF_INET;
  server.addr.sin.sin_port = htons(${port});
  inet_pton(AF_INET, "${host}", &server.addr.sin.sin_addr);
  coap_register_response_handler(context, on_response);
  coap_session_t *session = connect_to_gateway(context, &server);
  if (session == NULL) return 2;
  coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_REQUEST_CODE_PUT, coap_new_message_id(session),
                                  coap_session_max_pdu_size(session));
${path
  .slice(1)
  .split('/')
  .map(decodeURIComponent)
  .map(
    (segment) =>
      `  coap_add_option(pdu, COAP_OPTION_URI_PATH, ${segment.length}, (const uint8_t *)"${segment}");`,
  )
  .join('\n')}
  coap_add_data(pdu, 4, (const uint8_t *)"22.5");
  coap_send(session, pdu);
  for (int turns = 0; turns < 100 && !done; turns++) coap_io_process(context, 100);
  coap_session_release(session);
  coap_free_context(context);
  return done ? 0 : 3;
}
`;
}

const withC: readonly PeerProgram[] = ['gcc'];

peerTest(
  'a device with a pre-shared key connects by what is printed: commands, TypeScript and C',
  ['coap-client-openssl', 'aiocoap', ...withC],
  async (t) => {
    const device = await addedDevice(t, 'sensor-1', 'psk');
    await device.printed('coapsule');
    await device.printed('coap-client', ['coap-client', 'coap-client-openssl -B 8']);
    await device.printed('aiocoap-client');
    await runTypeScript(t, device);
    await runC(t, device, 'libcoap', 'openssl');
  },
);

peerTest(
  'a device under OSCORE connects by what is printed, once with each program',
  ['aiocoap'],
  async (t) => {
    const command = await addedDevice(t, 'sensor-2', 'oscore');
    await command.printed('coapsule');
    // Each program keeps the numbers in a place of its own: a context has one of them.
    await runTypeScript(t, await addedDevice(t, 'sensor-2', 'oscore'));
    await (await addedDevice(t, 'sensor-2', 'oscore')).printed('aiocoap-client');
  },
);

peerTest(
  'a device whose raw public key was made in the page connects by what is printed: commands, TypeScript and C',
  ['coap-client-gnutls', ...withC],
  async (t) => {
    const device = await addedDevice(t, 'sensor 3', 'rpk');
    await device.printed('coapsule');
    await device.printed('coap-client', ['coap-client-gnutls', 'coap-client-gnutls -B 8']);
    await runTypeScript(t, device);
    await runC(t, device, 'libcoap', 'gnutls');
  },
);

peerTest(
  'a device whose certificate was issued in the page connects by what is printed: commands, TypeScript and C',
  ['coap-client-openssl', 'coap-client-gnutls', ...withC],
  async (t) => {
    const device = await addedDevice(t, 'sensor-4', 'x509');
    await device.printed('coapsule');
    await device.printed('coap-client', ['coap-client', 'coap-client-openssl -B 8']);
    await device.printed('coap-client', ['coap-client', 'coap-client-gnutls -B 8']);
    await runTypeScript(t, device);
    await runC(t, device, 'libcoap', 'openssl');
    await runC(t, device, 'libcoap', 'gnutls');
  },
);

/**
 * What a device's firmware needs of a credential that was just made: the key, which is shown this once, files, commands and code.
 *
 * @module
 */

import type { DeviceWithSecret } from '../../src/console/api-types.ts';
import { Copyable, Notice } from '../parts/pieces.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';
import { type DeviceFiles, firmwareSnippets } from './firmware-snippets.ts';
import { QrCode } from './qr-code.tsx';

const text = words.devices;

/** What is shown this once. */
export function MadeCredential({
  made: { secret, snippets, device },
  files,
}: {
  readonly made: DeviceWithSecret;
  readonly files?: DeviceFiles | undefined;
}) {
  const { missing, commands, fileBase, trust } = snippets;
  const hasFiles = device.security === 'rpk' || device.security === 'x509';
  return (
    <>
      {secret === null && files === undefined ? (
        <Notice kind="info">{hasFiles ? text.ownFiles(fileBase) : text.ownCredential}</Notice>
      ) : (
        <Notice kind="warning">{text.once}</Notice>
      )}
      {missing !== null && <Notice kind="warning">{shown(missing)}</Notice>}
      {secret !== null && (
        <>
          <QrCode text={qrText(secret, snippets)} label={text.qr(device.id)} />
          {secret.kind === 'psk' && <Copyable label={text.key} text={secret.keyHex} />}
          {secret.kind === 'psk' && secret.keyText !== null && (
            <Copyable label={text.keyLetters} text={secret.keyText} />
          )}
        </>
      )}
      {files !== undefined && (
        <>
          <Copyable
            label={text.keyFile}
            fileName={`${fileBase}.key`}
            // Both halves of a raw public key in one file, private first: what `-M` of libcoap's client wants too.
            text={
              files.certificatePem === undefined
                ? files.privateKeyPem + files.publicKeyPem
                : files.privateKeyPem
            }
          />
          {files.certificatePem !== undefined && (
            <Copyable label={text.certificateFile} fileName={`${fileBase}.pem`} text={files.certificatePem} />
          )}
        </>
      )}
      {hasFiles && trust.fingerprint !== null && (
        <Copyable label={text.gatewayFingerprint} text={trust.fingerprint} />
      )}
      {device.security === 'rpk' && trust.publicKeyPem !== null && (
        <Copyable label={text.gatewayKeyFile} fileName="gateway.pub" text={trust.publicKeyPem} />
      )}
      {device.security === 'x509' && trust.authorityPem !== null && (
        <Copyable label={text.authorityFile} fileName="ca.pem" text={trust.authorityPem} />
      )}
      {device.security === 'x509' && trust.fingerprint !== null && trust.authorityPem === null && (
        <Notice kind="info">{text.noAuthorityFile}</Notice>
      )}
      {commands.map(({ tool, command, note }) => (
        <div key={tool}>
          <Copyable label={text.commandOf(tool)} text={command} />
          {note !== null && <p class="hint">{shown(note)}</p>}
        </div>
      ))}
      {firmwareSnippets({ secret, facts: snippets, security: device.security, files }).map((snippet) =>
        'cannot' in snippet ? (
          <Notice key={snippet.title} kind="info">
            {snippet.title}: {text.cannot[snippet.cannot]}
          </Notice>
        ) : (
          <Copyable
            key={snippet.title}
            label={snippet.title}
            text={snippet.text}
            {...(snippet.fileName !== undefined && { fileName: snippet.fileName })}
          />
        ),
      )}
    </>
  );
}

/** Address and credential in one. */
function qrText(
  secret: NonNullable<DeviceWithSecret['secret']>,
  { gatewayUri: uri }: DeviceWithSecret['snippets'],
): string {
  return secret.kind === 'psk'
    ? JSON.stringify({ uri, identity: secret.identity, key: secret.keyHex })
    : JSON.stringify({
        ...{ uri, secret: secret.masterSecretHex, salt: secret.masterSaltHex },
        ...{ sender: secret.senderIdHex, recipient: secret.recipientIdHex },
      });
}

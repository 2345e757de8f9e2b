/**
 * What a device's firmware needs of a credential that was just made: the key, which is shown this once, commands and code.
 *
 * @module
 */

import type { DeviceWithSecret } from '../../src/console/api-types.ts';
import { Copyable, Notice } from '../parts/pieces.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';
import { firmwareSnippets } from './firmware-snippets.ts';
import { QrCode } from './qr-code.tsx';

const text = words.devices;

/** What is shown this once. */
export function MadeCredential({ made: { secret, snippets, device } }: { readonly made: DeviceWithSecret }) {
  if (secret === null) {
    const { missing, commands } = snippets;
    return (
      <>
        <Notice kind="info">{commands.length === 0 ? text.ownCredential : text.ownFiles(device.id)}</Notice>
        {missing !== null && <Notice kind="warning">{shown(missing)}</Notice>}
        {commands.map(({ tool, command }) => (
          <Copyable key={tool} label={text.commandOf(tool)} text={command} />
        ))}
      </>
    );
  }
  const label =
    secret.kind === 'psk'
      ? JSON.stringify({ uri: snippets.gatewayUri, identity: secret.identity, key: secret.keyHex })
      : JSON.stringify({
          ...{ uri: snippets.gatewayUri, secret: secret.masterSecretHex, salt: secret.masterSaltHex },
          ...{ sender: secret.senderIdHex, recipient: secret.recipientIdHex },
        });
  return (
    <>
      <Notice kind="warning">{text.once}</Notice>
      <QrCode text={label} label={text.qr(device.id)} />
      {secret.kind === 'psk' && <Copyable label={text.key} text={secret.keyHex} />}
      {snippets.commands.map(({ tool, command }) => (
        <Copyable key={tool} label={text.commandOf(tool)} text={command} />
      ))}
      {firmwareSnippets(secret, snippets).map(({ title, text: snippet }) => (
        <Copyable key={title} label={title} text={snippet} />
      ))}
    </>
  );
}

/**
 * The credentials that a coap-client command line names.
 *
 * @module
 */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientOptions, PskCredential } from 'coapsule';
import type { ChosenCredentials } from './client-credentials.ts';
import type { CoapClientRequest } from './coap-client-flags.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { type CredentialFlags, readCredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';

const coapClientFlags: CredentialFlags = {
  cert: '-c',
  privateKey: '-j',
  rpk: '-M',
  ca: '-C',
  peerRpk: '--peer-rpk',
  encrypted:
    'these flags have no passphrase: use "coapsule get" and its --passphrase-file, or decrypt the key',
};

/**
 * The library's options for them; nothing when there are none at all.
 *
 * `-C` and `-R` say whom to trust, without them it is the system's authorities; `-n` verifies nothing, loudly.
 */
export function coapClientCredentials(
  request: CoapClientRequest,
  { stderr }: CommandEnvironment,
): ChosenCredentials | undefined {
  const warn = (text: string): void => stderr.write(`coap-client: warning: ${text}\n`);
  const { certFile, keyFile, rpkFile, skipVerification } = request;
  const psk = pskOf(request);
  const anchors = skipVerification ? [] : trustAnchors(request);
  if (rpkFile !== undefined && !skipVerification) {
    throw new CommandFailure(
      ExitCode.Security,
      "-M: these flags cannot say which raw public key is the server's",
      'add -n, which trusts everybody, or use "coapsule get -M FILE --peer-rpk FILE"',
    );
  }
  if (skipVerification)
    warn('THE SERVER IS NOT VERIFIED (-n): anybody on the way can read and change everything');
  const chosen = {
    ...(psk !== undefined && { psk }),
    ...readCredentialFiles(
      {
        ...(certFile !== undefined && { cert: certFile }),
        ...(keyFile !== undefined && { privateKey: keyFile }),
        ...(rpkFile !== undefined && { rpk: rpkFile }),
      },
      warn,
      coapClientFlags,
    ),
    ...(anchors.length > 0 && { trustAnchors: anchors }),
    ...(skipVerification && { dangerouslySkipVerification: true }),
  };
  return Object.keys(chosen).length === 0 ? undefined : chosen;
}

function pskOf({ key, identity = '', hints }: CoapClientRequest): ClientOptions['psk'] {
  const fallback: PskCredential | undefined = key === undefined ? undefined : { identity, key };
  if (hints.length === 0) return fallback;
  return ({ hint }) => hints.find((entry) => entry.hint === (hint ?? '')) ?? fallback;
}

/** What the files hold; `-R` may be a folder of them. */
function trustAnchors({ caFile, rootsFile }: CoapClientRequest): Uint8Array[] {
  const roots =
    rootsFile === undefined
      ? []
      : statSync(rootsFile).isDirectory()
        ? readdirSync(rootsFile).map((name) => join(rootsFile, name))
        : [rootsFile];
  return [...(caFile === undefined ? [] : [caFile]), ...roots]
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path));
}

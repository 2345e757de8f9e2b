/**
 * The credentials of the gateway itself, from the files that `coapsule serve` is given.
 *
 * @module
 */

import { readPrivateKey } from '../keys/private-key.ts';
import type { Log } from '../server/log.ts';
import { checkCredentials, type GatewayCredentials } from '../server/serve-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { type CredentialFlags, readCredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';

/** The options of `serve` that say what it proves itself with. */
export interface GatewayCredentialOptions {
  readonly coaps: unknown;
  readonly cert?: string;
  readonly privateKey?: string;
  readonly passphraseFile?: string;
  readonly ca?: string;
}

const serveFlags: CredentialFlags = {
  cert: '--cert',
  privateKey: '--private-key',
  rpk: '--private-key',
  ca: '--ca',
  peerRpk: '--peer-rpk',
  encrypted: 'give its passphrase with --passphrase-file FILE',
};

/** Those of `--cert`, `--private-key` and `--ca`, read and checked as far as one can without a handshake. */
export function gatewayCredentials(
  options: GatewayCredentialOptions,
  log: Log,
): GatewayCredentials | undefined {
  const { cert, passphraseFile, ca, coaps } = options;
  const privateKey = options.privateKey ?? cert;
  const refuse = (problem: string, nextStep: string): never => {
    throw new CommandFailure(ExitCode.Usage, problem, nextStep);
  };
  if (privateKey === undefined) {
    if (ca === undefined) return undefined;
    return refuse(
      '--ca needs a gateway that proves itself too',
      'give --cert and --private-key; "coapsule keys cert NAME --server" makes them',
    );
  }
  if (coaps === 'off')
    return refuse('there is no coaps endpoint for the certificate or key', 'leave --coaps on');
  if (ca !== undefined && cert === undefined) {
    return refuse('--ca is for certificates, and the gateway has none itself', 'give --cert too');
  }
  if (ca === 'system') {
    return refuse('--ca system would take certificates of anybody', 'name the authority of your devices');
  }
  const { certificate, rawPublicKey, trustAnchors } = readCredentialFiles(
    {
      ...(cert !== undefined && { cert }),
      ...(cert !== undefined && options.privateKey !== undefined && { privateKey }),
      rpk: privateKey,
      ...(passphraseFile !== undefined && { passphraseFile }),
      ...(ca !== undefined && { ca }),
    },
    (text) => log.warning(text),
    serveFlags,
  );
  const own = rawPublicKey as NonNullable<typeof rawPublicKey>;
  const credentials: GatewayCredentials = {
    certificate,
    // Read here, so that nobody needs the passphrase any more.
    rawPublicKey: { privateKey: readPrivateKey(own.privateKey as Uint8Array, own.passphrase) },
    authorities: trustAnchors as Uint8Array | undefined,
  };
  try {
    checkCredentials(credentials);
  } catch (error) {
    throw new CommandFailure(
      ExitCode.Failure,
      (error as Error).message.replace(/^new Client: /, ''),
      'check the files of --cert, --private-key and --ca',
    );
  }
  return credentials;
}

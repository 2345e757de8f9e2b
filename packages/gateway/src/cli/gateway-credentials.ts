/**
 * The credentials of the gateway itself, from the files that `coapsule serve` is given.
 *
 * @module
 */

import type { Log } from '../server/log.ts';
import { checkCredentials, type GatewayCredentials } from '../server/serve-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { readCredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';

/** The options of `serve` that say what it proves itself with. */
export interface GatewayCredentialOptions {
  readonly coaps: unknown;
  readonly cert?: string;
  readonly privateKey?: string;
  readonly passphraseFile?: string;
  readonly ca?: string;
}

/** Those of `--cert`, `--private-key` and `--ca`, read and checked as far as one can without a handshake. */
export function gatewayCredentials(
  options: GatewayCredentialOptions,
  log: Log,
): GatewayCredentials | undefined {
  const { cert, privateKey = cert, passphraseFile, ca, coaps } = options;
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
      ...(cert !== undefined && { cert, privateKey }),
      rpk: privateKey,
      ...(passphraseFile !== undefined && { passphraseFile }),
      ...(ca !== undefined && { ca }),
    },
    (text) => log.warning(text),
  );
  const credentials: GatewayCredentials = {
    certificate,
    rawPublicKey: rawPublicKey as NonNullable<typeof rawPublicKey>,
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

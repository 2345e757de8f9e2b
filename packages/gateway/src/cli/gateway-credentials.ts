/**
 * The credentials of the gateway itself, from the files that `coapsule serve` is given.
 *
 * @module
 */

import { X509Certificate } from 'node:crypto';
import { describeCertificates } from 'coapsule';
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
  readonly httpTls?: boolean;
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
  // Those files are for HTTP alone then.
  if (coaps === 'off' && options.httpTls === true && ca === undefined) return undefined;
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
  if (cert !== undefined) expectServerCertificate(cert, certificate?.chain as Uint8Array);
  if (ca !== undefined) tellOfPinned(ca, trustAnchors as Uint8Array, log);
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

const serverAuth = '1.3.6.1.5.5.7.3.1';
const anyPurpose = '2.5.29.37.0';

/** No client takes a certificate for a server that was issued for other purposes alone (RFC 5280 §4.2.1.12). */
function expectServerCertificate(path: string, chain: Uint8Array): void {
  const [own] = describeCertificates(chain);
  // Node's name for the extended key usage.
  const purposes: readonly string[] | undefined = own && new X509Certificate(own.der).keyUsage;
  if (purposes === undefined || purposes.includes(serverAuth) || purposes.includes(anyPurpose)) return;
  throw new CommandFailure(
    ExitCode.Failure,
    `--cert ${path}: the certificate of ${own?.subject} is not for servers (no extended key usage serverAuth): every client would refuse it`,
    'have one issued for a server: "coapsule keys cert NAME --server"',
  );
}

/** What is no authority is trusted by itself alone. */
function tellOfPinned(path: string, authorities: Uint8Array, log: Log): void {
  for (const { subject, der } of describeCertificates(authorities)) {
    if (new X509Certificate(der).ca) continue;
    log.warning(
      `--ca ${path}: ${subject} is no authority: no certificate it issued counts, only this one itself`,
    );
  }
}

/** For `--check`: a certificate that no client would take now. */
export function expectCurrent({ certificate }: GatewayCredentials, nowMs: number): void {
  const [own] = certificate === undefined ? [] : describeCertificates(certificate.chain);
  if (own === undefined || (own.notBefore.getTime() <= nowMs && nowMs <= own.notAfter.getTime())) return;
  const isEnded = own.notAfter.getTime() < nowMs;
  throw new CommandFailure(
    ExitCode.Failure,
    `--cert: the certificate of ${own.subject} ${isEnded ? `expired on ${own.notAfter.toISOString()}` : `is not valid before ${own.notBefore.toISOString()}`}: no client takes it now`,
    isEnded
      ? 'renew it, such as with "coapsule keys cert NAME --server --force"'
      : 'check the clock, or wait',
  );
}

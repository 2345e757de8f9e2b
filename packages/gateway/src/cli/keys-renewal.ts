/**
 * `coapsule keys show` and `coapsule keys renew`: what a certificate says and when it ends, and another one for the same key.
 *
 * @module
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CertificateInfo, describeCertificates } from 'coapsule';
import type { Command } from 'commander';
import { endingText } from '../server/serve-credentials.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { certificatesOf, publicKeyFingerprint } from './credential-content.ts';
import { ExitCode } from './exit-code.ts';
import {
  daysValue,
  defaultDays,
  type IssuerOptions,
  readIssuer,
  validityWithin,
} from './keys-certificate.ts';
import { writeNewFiles } from './new-files.ts';

interface RenewOptions extends IssuerOptions {
  readonly days?: number;
  readonly out?: string;
  readonly force?: true;
}

/** Adds the two commands to `coapsule keys`. */
export function addRenewalCommands(keys: Command, environment: CommandEnvironment): void {
  keys
    .command('show')
    .argument('<file...>', 'certificates or public keys')
    .description('what certificates say, when they end, and fingerprints')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExample:\n  coapsule keys show ca.pem sensor-7.pem')
    .action((files: readonly string[], { json }: { readonly json?: true }) => show(environment, files, json));
  keys
    .command('renew')
    .argument('<file>', 'the certificate that ends; its key and names stay')
    .description('make another certificate for the same key, signed by an authority of "coapsule keys ca"')
    .option('--ca <file>', "the authority's certificate", 'ca.pem')
    .option('--ca-key <file>', "the authority's key; by default beside the certificate")
    .option('--days <n>', 'how long it holds; by default as "keys cert" has it', daysValue)
    .option('--out <file>', 'where it goes; by default FILE with ".renewed" before its ending')
    .option('--force', 'replace a file that is there')
    .addHelpText('after', renewHelp)
    .action((file: string, options: RenewOptions) => renew(environment, file, options));
}

const renewHelp = `
The private key is not needed and does not change: the device gets the new certificate beside the key it has. The gateway
takes both in the meantime.

Examples:
  coapsule keys renew sensor-7.pem
  coapsule device rotate sensor-7 --cert sensor-7.renewed.pem --overlap 30d --until-used`;

function show({ stdout, wallTimeMs }: CommandEnvironment, files: readonly string[], json?: true): void {
  const found = files.flatMap((file) => described(file));
  const now = wallTimeMs();
  if (json) {
    const values = found.map(({ certificate, publicKey, ...place }) => ({
      ...place,
      ...(certificate && certificateValue(certificate)),
      publicKey,
    }));
    stdout.write(`${printableJson(values)}\n`);
    return;
  }
  for (const { file, certificate, publicKey } of found) {
    const line = (name: string, text: string): void => stdout.write(`${name.padEnd(13)}${printable(text)}\n`);
    line('file', file);
    if (certificate !== undefined) {
      const { subject, issuer, names, notBefore, notAfter, fingerprint } = certificate;
      line('subject', subject);
      line('issuer', issuer);
      if (names.length > 0) line('names', names.join(', '));
      const ending = endingText(notAfter.getTime(), now);
      line('valid', `${dayOf(notBefore)} to ${dayOf(notAfter)}${ending === undefined ? '' : ` (${ending})`}`);
      line('fingerprint', fingerprint);
    }
    line('public key', publicKey);
  }
}

interface Described {
  readonly file: string;
  readonly certificate?: CertificateInfo;
  /** Its fingerprint. */
  readonly publicKey: string;
}

function described(file: string): readonly Described[] {
  const bytes = readFileSync(file);
  let certificates: readonly CertificateInfo[];
  try {
    certificates = describeCertificates(bytes);
  } catch {
    const nextStep = 'name the file of a certificate or public key';
    return [{ file, publicKey: publicKeyFingerprint({ flag: 'show', path: file, bytes }, nextStep) }];
  }
  return certificates.map((certificate) => ({
    ...{ file, certificate, publicKey: certificate.publicKey.fingerprint },
  }));
}

function certificateValue({ subject, issuer, serialNumber, names, ...rest }: CertificateInfo) {
  const { notBefore, notAfter, fingerprint } = rest;
  return {
    ...{ subject, issuer, serialNumber, names, fingerprint },
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
  };
}

async function renew(environment: CommandEnvironment, file: string, options: RenewOptions): Promise<void> {
  const bytes = readFileSync(file);
  certificatesOf({ flag: 'renew', path: file, bytes }, 'name the certificate that shall be renewed');
  const before = new X509Certificate(bytes);
  const issuer = readIssuer(options);
  const { certifiedSubject, renewCertificate } = await import('../keys/issue-certificate.ts');
  const subject = certifiedSubject(before);
  if (subject === undefined || !['ec', 'ed25519'].includes(before.publicKey.asymmetricKeyType ?? '')) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${file} is not the certificate of a server or device with a key of EC or Ed25519`,
      'make a new authority with "coapsule keys ca", a new certificate with "coapsule keys cert"',
    );
  }
  const validity = validityWithin(environment, issuer.certificate, options.days ?? defaultDays[subject.role]);
  const text = await renewCertificate(issuer, before, subject, validity);
  const out = options.out ?? file.replace(/(\.[^./\\]*)?$/, '.renewed$1');
  writeNewFiles([{ path: out, text, secret: false }], options.force ?? false);
  const { role, commonName } = subject;
  environment.stderr.write(
    `${out} is the certificate of the ${role} ${printable(commonName)} (until ${dayOf(validity.notAfter)}), for the key it has\n`,
  );
  if (role === 'device' && deviceIdProblem(commonName) === undefined)
    environment.stderr.write(
      `next: coapsule device rotate ${commonName} --cert ${out} --overlap 30d --until-used\n`,
    );
  else
    environment.stderr.write(
      'next: put it in the place of the old one, and have the gateway read it (SIGHUP)\n',
    );
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/**
 * `coapsule keys ca`, `keys cert` and `keys rpk`: certificates and raw public keys.
 *
 * What issues certificates takes a while to load, so that is done when one is issued.
 *
 * @module
 */

import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { basename } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Issued, Issuer } from '../keys/issue-certificate.ts';
import { type KeyType, keyTypes, newPrivateKey, privateKeyPem } from '../keys/private-key.ts';
import type { Validity } from '../keys/sign-certificate.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { writeNewFiles } from './new-files.ts';
import { wholeNumber } from './option-values.ts';

interface FileOptions {
  readonly out?: string;
  readonly force?: true;
  readonly type: KeyType;
}

interface CertificateCommandOptions extends FileOptions {
  readonly server?: true;
  readonly name?: readonly string[];
  readonly ca: string;
  readonly caKey?: string;
  readonly days?: number;
}

const dayMs = 24 * 60 * 60 * 1000;
/** Devices may have a clock that is a little behind. */
const backdatedMs = 60 * 60 * 1000;
const maxDays = 36_500;

/** How long certificates hold. */
export const defaultDays: Readonly<Record<'ca' | 'server' | 'device', number>> = {
  ca: 7300,
  server: 730,
  device: 3650,
};

/** Adds the three commands to `coapsule keys`. */
export function addCertificateCommands(keys: Command, environment: CommandEnvironment): void {
  withFileOptions(
    keys
      .command('ca')
      .argument('[name]', 'what the authority is called', 'coapsule CA')
      .description('make a certificate authority: ca.pem to give away, ca.key to keep secret')
      .option('--days <n>', 'how long it holds', daysValue, defaultDays.ca),
    '"ca"',
  )
    .addHelpText('after', caHelp)
    .action(async (name: string, options: FileOptions & { readonly days: number }) =>
      makeAuthority(environment, name, options),
    );
  withFileOptions(
    keys
      .command('cert')
      .argument('<id>', "the device's id, or with --server the server's name or IP address")
      .description('make a certificate and its key, signed by an authority of "coapsule keys ca"')
      .option('--server', 'for a server; without it, for a device')
      .option('--name <name>', 'a further DNS name or IP address of it; repeatable', repeatedName)
      .option('--ca <file>', "the authority's certificate", 'ca.pem')
      .option('--ca-key <file>', "the authority's key; by default beside the certificate")
      .addOption(
        new Option('--days <n>', 'how long it holds; never longer than the authority')
          .argParser(daysValue)
          .default(undefined, `${defaultDays.server} for a server, ${defaultDays.device} for a device`),
      ),
  )
    .addHelpText('after', certHelp)
    .action(async (id: string, options: CertificateCommandOptions) =>
      makeCertificate(environment, id, options),
    );
  withFileOptions(
    keys
      .command('rpk')
      .argument('<id>', "the device's id, or any name for the gateway; the files are called so")
      .description('make a raw public key (RFC 7250): a key pair that needs no certificate'),
  )
    .addHelpText('after', rpkHelp)
    .action((id: string, options: FileOptions) => makeRawPublicKey(environment, id, options));
}

/** What signs, as `coapsule keys cert` and `renew` are told it. */
export interface IssuerOptions {
  readonly ca: string;
  readonly caKey?: string;
}

const caHelp = `
The name is shown to people; nothing looks it up. Devices get their ids from "coapsule keys cert".
Whoever has ca.key can issue certificates that everybody with ca.pem trusts: keep it where no device is.

Examples:
  coapsule keys ca
  coapsule keys ca "Plant 7" --out plant-7 --type p384 --days 7300`;

const certHelp = `
Writes ID.pem and ID.key. A server's certificate holds for its names and IP addresses alone; a device's names its id.

Examples:
  coapsule keys cert localhost --server --name 127.0.0.1 --name ::1
  coapsule keys cert sensor-7
  coapsule device add sensor-7 --cert sensor-7.pem
  coapsule serve --cert localhost.pem --private-key localhost.key --ca ca.pem`;

const rpkHelp = `
Writes ID.key (private and public key, for -M) and ID.pub (the public key, to give away).

Examples:
  coapsule keys rpk sensor-7
  coapsule device add sensor-7 --rpk sensor-7.pub
  coapsule keys rpk gateway
  coapsule serve --private-key gateway.key`;

function withFileOptions(command: Command, defaultBase = 'the id'): Command {
  return command
    .addOption(
      new Option('--type <type>', 'kind of key; p256 is what small devices have')
        .choices(keyTypes)
        .default('p256'),
    )
    .option('--out <base>', `beginning of the names of the files; by default ${defaultBase}`)
    .option('--force', 'replace files that are there');
}

async function makeAuthority(
  environment: CommandEnvironment,
  name: string,
  options: FileOptions & { readonly days: number },
): Promise<void> {
  expectCommonName(name);
  const now = environment.wallTimeMs();
  const validity = { notBefore: new Date(now - backdatedMs), notAfter: new Date(now + options.days * dayMs) };
  const { issueAuthority } = await import('../keys/issue-certificate.ts');
  const issued = await issueAuthority(name, { ...validity, type: options.type });
  const base = options.out ?? 'ca';
  writeCertificate(base, issued, options);
  tell(
    environment,
    `${base}.pem is the certificate of ${printable(name)} (until ${dayOf(validity.notAfter)}), ${base}.key its key: keep that one secret`,
  );
  const ca = base === 'ca' ? '' : ` --ca ${base}.pem`;
  next(environment, `coapsule keys cert localhost --server${ca}`);
}

async function makeCertificate(
  environment: CommandEnvironment,
  id: string,
  options: CertificateCommandOptions,
): Promise<void> {
  const role = options.server ? 'server' : 'device';
  const problem = role === 'server' ? nameProblem(id) : deviceIdProblem(id);
  if (problem !== undefined) throw new CommandFailure(ExitCode.Usage, problem, 'choose another');
  expectCommonName(id);
  const issuer = readIssuer(options);
  const names = namesOf(role, id, options.name ?? []);
  const validity = validityWithin(environment, issuer.certificate, options.days ?? defaultDays[role]);
  const { issueCertificate } = await import('../keys/issue-certificate.ts');
  const issued = await issueCertificate(
    issuer,
    { role, commonName: id, names, type: options.type },
    validity,
  );
  const base = options.out ?? basename(id).replaceAll(/[^\w.-]/g, '_');
  writeCertificate(base, issued, options);
  const holds = names.length === 0 ? '' : ` for ${names.join(', ')}`;
  tell(
    environment,
    `${base}.pem is the certificate of the ${role} ${printable(id)}${holds} (until ${dayOf(validity.notAfter)}), ${base}.key its key`,
  );
  next(
    environment,
    role === 'server'
      ? `coapsule serve --cert ${base}.pem --private-key ${base}.key --ca ${options.ca}`
      : `coapsule device add ${id} --cert ${base}.pem`,
  );
}

function makeRawPublicKey(environment: CommandEnvironment, id: string, options: FileOptions): void {
  const key = newPrivateKey(options.type);
  const publicKey = createPublicKey(key);
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const base = options.out ?? basename(id).replaceAll(/[^\w.-]/g, '_');
  writeNewFiles(
    [
      // Both halves in one file, private first: what `-M` of libcoap's client wants too.
      { path: `${base}.key`, text: `${privateKeyPem(key)}${publicPem}`, secret: true },
      { path: `${base}.pub`, text: publicPem, secret: false },
    ],
    options.force ?? false,
  );
  environment.stdout.write(`public-key   ${spki.toString('base64')}\n`);
  environment.stdout.write(`fingerprint  sha256:${createHash('sha256').update(spki).digest('hex')}\n`);
  tell(environment, `${base}.key is the key pair of ${printable(id)}, ${base}.pub its public key alone`);
  const problem = deviceIdProblem(id);
  if (problem === undefined)
    next(environment, `coapsule device add ${id} --rpk ${base}.pub    # for a device`);
  next(environment, `coapsule serve --private-key ${base}.key    # for the gateway itself`);
}

function writeCertificate(
  base: string,
  { certificatePem, privateKeyPem }: Issued,
  options: FileOptions,
): void {
  writeNewFiles(
    [
      { path: `${base}.pem`, text: certificatePem, secret: false },
      { path: `${base}.key`, text: privateKeyPem, secret: true },
    ],
    options.force ?? false,
  );
}

/** The authority. @throws CommandFailure for what cannot sign. */
export function readIssuer({ ca, caKey }: IssuerOptions): Issuer {
  const keyFile = caKey ?? `${ca.replace(/\.[^./\\]*$/, '')}.key`;
  const refuse = (cause: string, nextStep: string): never => {
    throw new CommandFailure(ExitCode.Failure, cause, nextStep);
  };
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(readFileSync(ca));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw readable(error, ca, 'a certificate');
    return refuse(`there is no authority ${ca}`, 'make one with "coapsule keys ca", or name it with --ca');
  }
  try {
    privateKey = createPrivateKey(readFileSync(keyFile));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw readable(error, keyFile, 'a private key');
    return refuse(`there is no key ${keyFile} of the authority ${ca}`, 'name it with --ca-key');
  }
  if (!certificate.ca)
    refuse(`${ca} is no authority: it may not issue certificates`, 'name another with --ca');
  if (!certificate.checkPrivateKey(privateKey)) {
    refuse(`${keyFile} is not the key of ${ca}`, 'name the right one with --ca-key');
  }
  if (!['ec', 'ed25519'].includes(privateKey.asymmetricKeyType ?? '')) {
    refuse(
      `the authority ${ca} has a key of type ${privateKey.asymmetricKeyType}; this command signs with EC (P-256, P-384) and Ed25519`,
      'make an authority with "coapsule keys ca"',
    );
  }
  return { certificate, privateKey };
}

/** What OpenSSL says about a file says nothing to people; its own code numbers are left out. */
function readable(error: unknown, path: string, what: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('ERR_') === true) {
    return new CommandFailure(
      ExitCode.Failure,
      `${path} is not ${what} in PEM or DER, or it is encrypted`,
      'check the file',
    );
  }
  return error as Error;
}

/** From now on, and no longer than the authority. @throws CommandFailure for one that has expired. */
export function validityWithin(
  environment: CommandEnvironment,
  authority: X509Certificate,
  days: number,
): Validity {
  const now = environment.wallTimeMs();
  const end = now + days * dayMs;
  const authorityEnd = Date.parse(authority.validTo);
  if (authorityEnd <= now) {
    throw new CommandFailure(
      ExitCode.Failure,
      `the authority expired on ${dayOf(new Date(authorityEnd))}`,
      'make a new one with "coapsule keys ca" and give it to everybody who trusts the old one',
    );
  }
  if (end > authorityEnd) {
    environment.stderr.write(
      `coapsule: warning: the certificate ends with its authority, on ${dayOf(new Date(authorityEnd))}\n`,
    );
  }
  return {
    notBefore: new Date(Math.max(now - backdatedMs, Date.parse(authority.validFrom))),
    notAfter: new Date(Math.min(end, authorityEnd)),
  };
}

function repeatedName(text: string, before: readonly string[] = []): readonly string[] {
  const problem = nameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(problem);
  return [...before, text];
}

/**
 * The names that the certificate gets. A device is known by its first DNS name, where it has one at all (RFC 7925
 * §4.4.2): then that has to be its id.
 */
function namesOf(role: 'server' | 'device', id: string, further: readonly string[]): readonly string[] {
  if (role === 'server') return [id, ...further];
  if (further.every((name) => isIP(name) !== 0)) return further;
  const problem = nameProblem(id);
  if (problem === undefined && isIP(id) === 0) return [id.toLowerCase(), ...further];
  throw new CommandFailure(
    ExitCode.Usage,
    `a device with DNS names is known by the first of them, and its id "${printable(id)}" is none`,
    'leave --name out, or give it an id that is a DNS name',
  );
}

/** What is wrong with the name of a server, or undefined (RFC 9525 §2: DNS names in their ASCII form, IP addresses). */
function nameProblem(name: string): string | undefined {
  if (isIP(name) !== 0) return undefined;
  const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
  if (name.length <= 253 && new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`).test(name)) return undefined;
  return `"${printable(name)}" is neither a DNS name nor an IP address`;
}

/** RFC 5280 Appendix A.1: ub-common-name. */
function expectCommonName(name: string): void {
  if (name.length >= 1 && name.length <= 64 && !/\p{Cc}/u.test(name)) return;
  throw new CommandFailure(
    ExitCode.Usage,
    `a name in a certificate has 1 to 64 characters, this one ${name.length}`,
    'choose a shorter one',
  );
}

/** A number of days. */
export function daysValue(text: string): number {
  return wholeNumber(text, 1, maxDays);
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function tell({ stderr }: CommandEnvironment, text: string): void {
  stderr.write(`${text}\n`);
}

function next(environment: CommandEnvironment, command: string): void {
  tell(environment, `next: ${command}`);
}

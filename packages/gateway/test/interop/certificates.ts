/**
 * Certificates and raw public keys of one test run, made with `openssl` in a temporary folder when they are first
 * asked for. Not our own `keys` command: peers must take what others issue, and we too.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of one end entity, PEM each. */
export interface EndEntity {
  /** The certificate alone. */
  readonly certificate: string;
  /** The certificate, then its intermediates. */
  readonly chain: string;
  /** PKCS #8. */
  readonly key: string;
  /** Key and chain in one file. */
  readonly both: string;
}

/** Files of one raw public key, PEM each. */
export interface RawKey {
  /** PKCS #8. */
  readonly key: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** Both in one file, the private key first. */
  readonly both: string;
}

/** How an end entity differs from the usual: P-256, issued by the CA, valid, for localhost and 127.0.0.1. */
export interface EntityOptions {
  readonly role: 'server' | 'client';
  readonly key?: 'P-256' | 'P-384' | 'RSA' | 'Ed25519';
  readonly issuer?: 'ca' | 'other-ca' | 'deep-ca';
  readonly names?: string;
  readonly expired?: boolean;
}

const keyArguments = {
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  RSA: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  Ed25519: ['-algorithm', 'ED25519'],
} as const;

let folder: string | undefined;

function file(name: string): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'coapsule-certificates-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return join(folder, name);
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function privateKey(name: string, kind: keyof typeof keyArguments): string {
  const path = file(`${name}.key`);
  openssl('genpkey', ...keyArguments[kind], '-out', path);
  return path;
}

/** The trust anchor of this name: `ca`, or one that nobody trusts unless told so. */
export function trustAnchor(name: 'ca' | 'other-ca' = 'ca'): string {
  const path = file(`${name}.pem`);
  if (!existsSync(path)) {
    const key = privateKey(name, 'P-256');
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
    openssl(
      ...['req', '-x509', '-new', '-key', key, '-sha256', '-days', '365', '-subj', `/CN=Test ${name}`],
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...['-out', path],
    );
  }
  return path;
}

/** Issues the certificate of `name` with the key of `issuer`; `validity` in seconds from now. */
function issue(
  name: string,
  key: string,
  issuer: string,
  extensions: readonly string[],
  validity: readonly [number, number] = [-3600, 365 * 86_400],
): void {
  const request = file(`${name}.csr`);
  const settings = file(`${name}.cnf`);
  const time = (seconds: number): string =>
    new Date(Date.now() + seconds * 1000).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  writeFileSync(file('index'), '');
  writeFileSync(
    settings,
    ['[ca]', 'default_ca=issuer', '[issuer]', `database=${file('index')}`, `new_certs_dir=${file('')}`]
      .concat(
        'policy=any',
        'default_md=sha256',
        `serial=${file('serial')}`,
        'unique_subject=no',
        '[any]',
        'commonName=supplied',
      )
      .concat('[extensions]', extensions)
      .join('\n'),
  );
  openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request);
  openssl(
    ...['ca', '-batch', '-notext', '-rand_serial', '-config', settings, '-extensions', 'extensions'],
    ...['-cert', file(`${issuer}.pem`), '-keyfile', file(`${issuer}.key`)],
    ...['-startdate', time(validity[0]), '-enddate', time(validity[1])],
    ...['-in', request, '-out', file(`${name}.pem`)],
  );
}

/** Two intermediates below `ca`, each with a comment that makes a chain of theirs longer than 4,096 bytes. */
function deepIssuer(): void {
  if (existsSync(file('deep-ca.pem'))) return;
  trustAnchor();
  let issuer = 'ca';
  for (const name of ['middle-ca', 'deep-ca']) {
    const comment = `nsComment=${`${name} `.repeat(175)}`;
    const extensions = [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
      comment,
    ];
    issue(name, privateKey(name, 'P-256'), issuer, extensions);
    issuer = name;
  }
}

/** Files of an end entity with these properties; the same for the same properties. */
export function endEntity(options: EntityOptions): EndEntity {
  const { role, key = 'P-256', issuer = 'ca', expired = false } = options;
  const names = options.names ?? 'DNS:localhost,IP:127.0.0.1';
  const name = [role, key, issuer, expired ? 'expired' : 'valid', names.replaceAll(/[^\w]/g, '_')].join('-');
  const entity: EndEntity = {
    certificate: file(`${name}.pem`),
    chain: file(`${name}.chain.pem`),
    key: file(`${name}.key`),
    both: file(`${name}.both.pem`),
  };
  if (existsSync(entity.both)) return entity;
  if (issuer === 'deep-ca') deepIssuer();
  else trustAnchor(issuer);
  const extensions = [
    'basicConstraints=CA:FALSE',
    'keyUsage=critical,digitalSignature',
    `extendedKeyUsage=${role}Auth`,
    `subjectAltName=${names}`,
  ];
  const validity = expired ? ([-2 * 86_400, -86_400] as const) : undefined;
  issue(name, privateKey(name, key), issuer, extensions, validity);
  const intermediates = issuer === 'deep-ca' ? [file('deep-ca.pem'), file('middle-ca.pem')] : [];
  const read = (path: string): string => readFileSync(path, 'utf8');
  writeFileSync(entity.chain, [entity.certificate, ...intermediates].map(read).join(''));
  writeFileSync(entity.both, read(entity.key) + read(entity.chain));
  return entity;
}

/** Files of the raw public key of this name. */
export function rawKey(name: 'server' | 'client' | 'stranger'): RawKey {
  const raw: RawKey = {
    key: file(`${name}-raw.key`),
    publicKey: file(`${name}-raw.pub`),
    both: file(`${name}-raw.both.pem`),
  };
  if (existsSync(raw.both)) return raw;
  privateKey(`${name}-raw`, 'P-256');
  openssl('pkey', '-in', raw.key, '-pubout', '-out', raw.publicKey);
  writeFileSync(raw.both, readFileSync(raw.key, 'utf8') + readFileSync(raw.publicKey, 'utf8'));
  return raw;
}

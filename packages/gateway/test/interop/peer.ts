/**
 * Tests that need a program of another implementation: skipped by name, with the line that installs it, when it is not
 * there; failed under COAPSULE_REQUIRE_PEERS=1.
 */
import assert from 'node:assert/strict';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';

/** Debian package of each program that the tests start. */
const packageOf = {
  'coap-client-openssl': 'libcoap3-bin',
  'coap-client-gnutls': 'libcoap3-bin',
  'coap-server-openssl': 'libcoap3-bin',
  'coap-server-gnutls': 'libcoap3-bin',
  'coap-client-notls': 'libcoap3-bin',
  'coap-server-notls': 'libcoap3-bin',
  ip: 'iproute2',
  unshare: 'util-linux',
  openssl: 'openssl',
  'gnutls-cli': 'gnutls-bin',
  'gnutls-serv': 'gnutls-bin',
  socat: 'socat',
  curl: 'curl',
  tshark: 'tshark',
  groff: 'groff-base',
  mandoc: 'mandoc',
  zsh: 'zsh',
  fish: 'fish',
  mosquitto: 'mosquitto',
  'redis-server': 'redis-server',
  python3: 'python3-minimal',
  gcc: 'gcc libcoap3-dev',
} as const;

/** Where `scripts/install-peers.sh` puts what is no Debian package. */
const installed = process.env['COAPSULE_PEERS'] ?? join(import.meta.dirname, '../../../../.peers');

/** The Python that has Mbed TLS and aiocoap. */
export const peerPython: string = join(installed, 'python/bin/python');

/** The class path of the Scandium peer. */
export const scandiumClassPath: string = classPath('scandium');

/** The class path of the Californium peer. */
export const californiumClassPath: string = classPath('californium');

/** The class path of the Californium peer under OSCORE. */
export const cfOscoreClassPath: string = classPath('cf-oscore');

/** The peer with pion/dtls. */
export const pionProgram: string = join(installed, 'pion/pion_peer');

/** A file of each peer that is no Debian package. */
const fileOf = {
  mbedtls: peerPython,
  aiocoap: peerPython,
  scandium: join(installed, 'scandium/classes/ScandiumPeer.class'),
  californium: join(installed, 'californium/classes/CaliforniumPeer.class'),
  'cf-oscore': join(installed, 'cf-oscore/classes/CfOscorePeer.class'),
  pion: pionProgram,
} as const;

/** A program of another implementation. */
export type PeerProgram = keyof typeof packageOf | keyof typeof fileOf;

/**
 * Why a test that needs these programs cannot run here, with the next step; undefined when all are there.
 *
 * @param searchPath value of PATH.
 */
export function missingPeer(
  programs: readonly PeerProgram[],
  searchPath = process.env['PATH'] ?? '',
): string | undefined {
  const lacks: string[] = [];
  const packages = new Set<string>();
  let script = false;
  for (const program of programs) {
    if (program in fileOf) {
      if (existsSync(fileOf[program as keyof typeof fileOf])) continue;
      script = true;
    } else {
      if (isOnPath(program, searchPath)) continue;
      packages.add(packageOf[program as keyof typeof packageOf]);
    }
    lacks.push(program);
  }
  if (lacks.length === 0) return undefined;
  const remedy = script ? 'scripts/install-peers.sh' : `apt-get install ${[...packages].join(' ')}`;
  return `needs ${lacks.join(', ')}: ${remedy}`;
}

function classPath(peer: string): string {
  return [`${peer}/lib/*`, `${peer}/classes`].map((path) => join(installed, path)).join(delimiter);
}

function isOnPath(program: string, searchPath: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A test that runs with these programs, or says what is missing. */
export function peerTest(
  name: string,
  programs: readonly PeerProgram[],
  run: (t: TestContext) => Promise<void>,
): void {
  const missing = missingPeer(programs);
  if (missing === undefined) test(name, run);
  else if (process.env['COAPSULE_REQUIRE_PEERS'] === '1') test(name, () => assert.fail(missing));
  else test(name, { skip: missing }, run);
}

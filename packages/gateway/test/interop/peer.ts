/**
 * Tests that need a program of another implementation: skipped by name, with the line that installs it, when it is not
 * there; failed under COAPSULE_REQUIRE_PEERS=1.
 */
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';

/** Debian package of each program that the tests start. */
const packageOf = {
  'coap-client-openssl': 'libcoap3-bin',
  'coap-client-gnutls': 'libcoap3-bin',
  'coap-server-openssl': 'libcoap3-bin',
  'coap-server-gnutls': 'libcoap3-bin',
  openssl: 'openssl',
  'gnutls-cli': 'gnutls-bin',
  'gnutls-serv': 'gnutls-bin',
  tshark: 'tshark',
  python3: 'python3-minimal',
} as const;

/** A program of another implementation. */
export type PeerProgram = keyof typeof packageOf;

/**
 * Why a test that needs these programs cannot run here, with the next step; undefined when all are there.
 *
 * @param searchPath value of PATH.
 */
export function missingPeer(
  programs: readonly PeerProgram[],
  searchPath = process.env['PATH'] ?? '',
): string | undefined {
  const missing = programs.filter((program) => !isOnPath(program, searchPath));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((program) => packageOf[program]))];
  return `needs ${missing.join(', ')}: apt-get install ${packages.join(' ')}`;
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

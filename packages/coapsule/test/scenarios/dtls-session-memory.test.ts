/**
 * What a remembered session costs: a peer that shows more than it needs is taken, but not remembered.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import { certificateCredentials } from './dtls-credentials.ts';
import { closeAssociation, DtlsPair } from './dtls-pair.ts';

/** Credentials with a chain of so many bytes: certificates that nobody needs, and that need not be any, behind the real ones. */
function padded(credentials: EndpointCredentials, bytes: number): EndpointCredentials {
  const { certificate } = credentials;
  assert.ok(certificate !== undefined);
  const { chain } = certificate;
  const padding = bytes - chain.reduce((sum, { length }) => sum + length, 0);
  return {
    ...credentials,
    certificate: { ...certificate, chain: [...chain, new Uint8Array(padding).fill(0x30)] },
  };
}

/** Connects twice; whether the second handshake went on from the first. */
function comesBack(
  resumption: 'session-id' | 'ticket' | 'both',
  client: EndpointCredentials,
  server: EndpointCredentials,
): boolean {
  const suites = ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] as const;
  const pair = new DtlsPair({
    client: { suites, resumption, credentials: client },
    server: { suites, resumption, credentials: server },
  });
  const connect = (): boolean | undefined => {
    pair.connect();
    pair.run(8000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    return pair.client.all('connected')[0]?.resumed;
  };
  assert.equal(connect(), false);
  closeAssociation(pair);
  return connect() === true;
}

const client = certificateCredentials('client');
const server = certificateCredentials('server');

describe('a session', () => {
  for (const resumption of ['session-id', 'ticket', 'both'] as const) {
    test(`is not remembered with more than 4 KB of certificates, on either side; the next handshake is a full one (${resumption})`, () => {
      assert.equal(comesBack(resumption, padded(client, 4097), server), false, 'client');
      assert.equal(comesBack(resumption, padded(client, 15_000), server), false, 'client');
      assert.equal(comesBack(resumption, client, padded(server, 4097)), false, 'server');
    });
  }

  test('is remembered with a chain of up to 4 KB', () => {
    assert.equal(comesBack('both', client, server), true);
    assert.equal(comesBack('both', padded(client, 4096), padded(server, 4096)), true);
  });
});

/**
 * Handshakes on serial lines, in virtual time: how long they take at each rate against what the bytes themselves take, and
 * that nothing is sent twice only because the line is slow (RFC 6347 §4.2.4.1).
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { wireTimeMs } from '../../src/testing/simulated-line.ts';
import { certificateCredentials, credentialKinds } from './dtls-credentials.ts';
import { type DtlsNode, DtlsPair, type DtlsPairOptions } from './dtls-pair.ts';

const mtu = 1024;

/** A pair on a line; the receiving UART tells of every 16 bytes. */
function pairOnLine(baudRate: number, options: DtlsPairOptions, knowsRate = true): DtlsPair {
  const rate = knowsRate ? { bytesPerSecond: baudRate / 10 } : {};
  return new DtlsPair({
    ...options,
    client: { mtu, ...rate, ...options.client },
    server: { mtu, ...rate, ...options.server },
    line: { conditions: { baudRate, readEveryMs: wireTimeMs(16, baudRate) } },
  });
}

function retransmissions(node: DtlsNode): number {
  return node.all('handshake-trace').filter(({ retransmit, direction }) => retransmit && direction === 'sent')
    .length;
}

/** Runs a handshake; the time it took, what its bytes took, and what was sent again. */
function handshake(pair: DtlsPair) {
  pair.connect();
  pair.run(600_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected, 'connected');
  const bytes = pair.line?.written.reduce((sum, { bytes: { length } }) => sum + length, 0) ?? 0;
  const [client, server] = [pair.client, pair.server];
  return {
    bytes,
    ms: Math.max(client.when('connected', pair.start) ?? 0, server.when('connected', pair.start) ?? 0),
    retransmissions: retransmissions(client) + retransmissions(server),
  };
}

const big = {
  name: 'certificates of 4 KB on both sides',
  client: { credentials: certificateCredentials('client', 'ec-secp256r1', 4096) },
  server: { credentials: certificateCredentials('server', 'ec-secp256r1', 4096) },
};

const rates = [1200, 9600, 115_200, 921_600] as const;

/** The table of docs/serial-lines.md: bytes, and milliseconds at each rate, by kind. */
const documented = new Map(
  readFileSync(new URL('../../../../docs/serial-lines.md', import.meta.url), 'utf8')
    .split('## How long handshakes take')[1]
    ?.split('\n## ')[0]
    ?.split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => {
      const [name = '', bytes = '', ...times] = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      const milliseconds = times.map((time) => Number.parseFloat(time) * (time.endsWith(' ms') ? 1 : 1000));
      return [name.replace(' (RSA)', ''), [Number(bytes.replace(',', '')), ...milliseconds]] as const;
    }),
);

/** Within 3 %, as signatures differ in length by some bytes, or what rounding to the last digit hides. */
function assertDocumented(name: string, what: number, measured: number, roundedTo: number): void {
  const told = documented.get(name)?.[what] ?? Number.NaN;
  assert.ok(
    Math.abs(told - measured) <= Math.max(0.03 * measured, roundedTo),
    `docs/serial-lines.md: "${name}" has ${told}, measured ${measured}`,
  );
}

describe('a handshake on a serial line that the engines know the rate of', () => {
  for (const [column, baudRate] of rates.entries()) {
    for (const { name, client, server } of [...credentialKinds, big]) {
      it(`${baudRate} baud, ${name}: within 10 % of the time of its bytes, nothing sent twice`, (test) => {
        const pair = pairOnLine(baudRate, { client, server });
        const { bytes, ms, retransmissions: again } = handshake(pair);
        const bound = wireTimeMs(bytes, baudRate);
        test.diagnostic(
          `${bytes} bytes, ${bound.toFixed(0)} ms on the wire, connected after ${ms.toFixed(0)} ms`,
        );
        assert.equal(again, 0);
        assert.ok(ms <= 1.1 * bound, `${ms} ms, bytes ${bound} ms`);
        assertDocumented(name, 0, bytes, 1);
        assertDocumented(name, column + 1, ms, 1);
      });
    }
  }

  it('a datagram that was lost at 9,600 baud is sent again, and the handshake completes', () => {
    const pair = pairOnLine(9600, { client: big.client, server: big.server });
    pair.connect();
    const { line } = pair;
    assert.ok(line !== undefined);
    // The first fragment of the server's certificate does not arrive.
    pair.run(60_000, () => line.written.filter(({ from }) => from === 'b').length > 1);
    line.unplug();
    line.line.plug();
    pair.run(600_000, () => pair.bothConnected);
    assert.ok(pair.bothConnected);
    assert.ok(retransmissions(pair.client) + retransmissions(pair.server) > 0);
  });

  for (const baudRate of [115_200, 921_600]) {
    it(`${baudRate} baud do not wait needlessly: what was lost goes again after the usual second and the time of two datagrams`, () => {
      const pair = pairOnLine(baudRate, { client: big.client, server: big.server });
      pair.connect();
      const { line, client, server } = pair;
      assert.ok(line !== undefined);
      pair.run(60_000, () => line.written.filter(({ from }) => from === 'b').length > 1);
      line.unplug();
      line.line.plug();
      const lostAt = pair.clock.now;
      pair.run(600_000, () => retransmissions(client) + retransmissions(server) > 0);
      const waitedMs = pair.clock.now - lostAt;
      assert.ok(waitedMs <= 1000 + wireTimeMs(2 * mtu, baudRate), `${waitedMs} ms`);
      pair.run(600_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected);
    });
  }
});

describe('a handshake on a slow line that the engines do not know the rate of', () => {
  it('sends what is still on its way again: why the rate is told', () => {
    const { retransmissions: again } = handshake(pairOnLine(9600, big, false));
    assert.ok(again > 0);
  });
});

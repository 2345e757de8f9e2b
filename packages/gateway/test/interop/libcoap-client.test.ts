/** libcoap's coap-client, both builds, against the gateway: the sentences of the README and what a sensor does. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';
import { applicationData, contentTypes, startRelay } from './relay.ts';

// coap-client 4.3.1 exits 0 whatever happens: its output is the only judge.
for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
  describe(client, () => {
    peerTest('reads /temperature over DTLS as sensor-042', [client], async (t) => {
      const gateway = await startGateway(t);
      const { output } = await run(t, client, [
        '-m',
        'get',
        `${gateway.coaps}/temperature`,
        ...demoCredentials,
      ]);
      assert.match(output, /^-?\d+(\.\d+)?°C\s*$/);
    });

    peerTest('reads /temperature and /hello over plain CoAP', [client], async (t) => {
      const gateway = await startGateway(t);
      const temperature = await run(t, client, ['-m', 'get', `${gateway.coap}/temperature`]);
      assert.match(temperature.output, /^-?\d+(\.\d+)?°C\s*$/);
      const hello = await run(t, client, ['-m', 'get', `${gateway.coap}/hello`]);
      assert.equal(hello.output.trimEnd(), 'Hello, world!');
    });

    peerTest('posts 22.5 to /sensor over DTLS, and our client reads it back', [client], async (t) => {
      const gateway = await startGateway(t);
      const posted = await run(t, client, [
        '-v',
        '6',
        '-m',
        'post',
        '-e',
        '22.5',
        `${gateway.coaps}/sensor`,
        ...demoCredentials,
      ]);
      assert.match(posted.output, /c:2\.0[14]/);
      const read = await coapsule(t, 'get', `${gateway.coaps}/sensor`, ...demoCredentials);
      assert.equal(read.stdout.toString().trimEnd(), '22.5', read.output);
    });

    peerTest('posts 22.5 to /sensor over plain CoAP', [client], async (t) => {
      const gateway = await startGateway(t);
      const { output } = await run(t, client, [
        '-v',
        '6',
        '-m',
        'post',
        '-e',
        '22.5',
        `${gateway.coap}/sensor`,
      ]);
      assert.match(output, /c:2\.0[14]/);
    });

    for (const secured of [true, false]) {
      peerTest(
        `observes /obs over ${secured ? 'DTLS' : 'plain CoAP'} for three seconds`,
        [client],
        async (t) => {
          const gateway = await startGateway(t);
          const uri = `${secured ? gateway.coaps : gateway.coap}/obs`;
          const { output } = await run(t, client, [
            '-m',
            'get',
            '-s',
            '3',
            uri,
            ...(secured ? demoCredentials : []),
          ]);
          const ticks = [...output.matchAll(/tick (\d+)/g)].map(([, tick]) => Number(tick));
          assert.ok(new Set(ticks).size >= 4, output);
          // Between threads a change that comes with the registration is told once more: what counts is the latest (RFC 7641 §1.3).
          assert.deepEqual(
            ticks,
            ticks.toSorted((one, other) => one - other),
            'no tick is older than the one before',
          );
        },
      );

      for (const [size, blockSize] of [
        [8_192, 64],
        [8_192, 1024],
        [1_048_576, 1024],
      ] as const) {
        const name = `writes and reads ${size} bytes in blocks of ${blockSize} over ${secured ? 'DTLS' : 'plain CoAP'}`;
        peerTest(name, [client], async (t) => {
          const gateway = await startGateway(t);
          const uri = `${secured ? gateway.coaps : gateway.coap}/store`;
          const credentials = secured ? demoCredentials : [];
          const folder = temporaryFolder(t);
          const body = lettersOf(size);
          writeFileSync(join(folder, 'sent'), body);
          await run(t, client, [
            '-m',
            'put',
            '-f',
            join(folder, 'sent'),
            '-b',
            String(blockSize),
            '-B',
            '60',
            uri,
            ...credentials,
          ]);
          const received = join(folder, 'received');
          const read = await run(t, client, [
            '-m',
            'get',
            '-o',
            received,
            '-b',
            String(blockSize),
            '-B',
            '60',
            uri,
            ...credentials,
          ]);
          assert.equal(read.output, '');
          assert.ok(readFileSync(received).equals(body), 'the bodies differ');
        });
      }
    }

    peerTest(
      'brings a firmware of 50,000 bytes with its SHA-256, and downloads it whole with the same',
      [client],
      async (t) => {
        const gateway = await startGateway(t);
        const folder = temporaryFolder(t);
        const body = lettersOf(50_000);
        const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
        writeFileSync(join(folder, 'sent'), body);
        const uri = `${gateway.coaps}/firmware/pump/1.0`;
        const put = [...['-m', 'put', '-f', join(folder, 'sent'), '-b', '1024', '-B', '60', '-v', '6']];
        const wrong = await run(t, client, [
          ...put,
          `${uri}?sha256=${digest(Uint8Array.of(1))}`,
          ...demoCredentials,
        ]);
        assert.match(wrong.output, /c:4\.00.*the SHA-256 is/s);
        const sent = await run(t, client, [...put, `${uri}?sha256=${digest(body)}`, ...demoCredentials]);
        assert.match(sent.output, /c:2\.01/);
        const received = join(folder, 'received');
        await run(t, client, ['-m', 'get', '-o', received, '-B', '60', uri, ...demoCredentials]);
        assert.equal(digest(readFileSync(received)), digest(body));
        const listed = await run(t, client, ['-m', 'get', `${gateway.coap}/firmware`]);
        assert.match(listed.output, new RegExp(`^</firmware/pump/1\\.0>;.*sha256="?${digest(body)}`));
      },
    );

    peerTest('reads the 8,192 bytes of /large over DTLS', [client], async (t) => {
      const gateway = await startGateway(t);
      const { output } = await run(t, client, ['-m', 'get', `${gateway.coaps}/large`, ...demoCredentials]);
      assert.equal(output.trimEnd(), lettersOf(8_192).toString());
    });

    for (const [fault, credentials, cause] of [
      ['a wrong key', ['-u', demo.identity, '-k', 'AnotherKey16Byt!'], /psk-mismatch/],
      ['an unknown identity', ['-u', 'nobody', '-k', demo.key], /unknown-identity/],
    ] as const) {
      peerTest(`fails within seconds with ${fault}, and no application data flows`, [client], async (t) => {
        const gateway = await startGateway(t);
        const relay = await startRelay(t, gateway.coapsPort);
        const uri = `coaps://127.0.0.1:${relay.port}/temperature`;
        // It is stopped long before its own limit: what ends it is the alert.
        const { output } = await run(t, client, ['-m', 'get', '-B', '60', uri, ...credentials]);
        assert.match(output, /cannot send CoAP pdu|no response|[Aa]lert/);
        assert.doesNotMatch(output, /°C/);
        const types = [...relay.fromClient, ...relay.fromServer].flatMap(contentTypes);
        assert.ok(types.length > 0 && !types.includes(applicationData), String(types));
        // The wire says the same in both cases; the gateway's own log names the cause.
        await gateway.process.waitFor(cause);
      });
    }

    peerTest('any identity opens with the one key under --psk *:KEY', [client], async (t) => {
      const gateway = await startGateway(t, '--psk', '*:esp32c3_key');
      const uri = `${gateway.coaps}/hello`;
      const { output } = await run(t, client, ['-m', 'get', uri, '-u', 'whoever', '-k', 'esp32c3_key']);
      assert.equal(output.trimEnd(), 'Hello, world!');
      assert.match(gateway.process.output, /any identity/i, 'the gateway says so loudly');
    });

    peerTest('gets 4.04 and 4.05 where they are due', [client], async (t) => {
      const gateway = await startGateway(t);
      const missing = await run(t, client, ['-m', 'get', `${gateway.coap}/nowhere`]);
      assert.match(missing.output, /^4\.04/);
      const refused = await run(t, client, ['-m', 'delete', `${gateway.coap}/temperature`]);
      assert.match(refused.output, /^4\.05/);
    });

    peerTest('lists the resources of /.well-known/core', [client], async (t) => {
      const gateway = await startGateway(t);
      const { output } = await run(t, client, ['-m', 'get', `${gateway.coap}/.well-known/core`]);
      assert.match(output, /<\/light>[^,]*;obs/);
      assert.match(output, /<\/temperature>/);
    });
  });
}

/** The letters A to Z over and over. */
function lettersOf(size: number): Buffer {
  return Buffer.alloc(size, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
}

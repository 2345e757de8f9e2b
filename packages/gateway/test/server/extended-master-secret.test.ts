/**
 * A device of an older time, without extended master secret (RFC 7627): refused by default, taken with `--no-ems`. Its
 * ClientHellos are made by hand, since our own client always offers it.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess } from './gateway-process.ts';

const alert = 21;
const handshake = 22;
const serverHello = 2;

/** A record with a ClientHello for TLS_PSK_WITH_AES_128_CCM_8, without extensions. */
function clientHello(cookie: Uint8Array, sequence: number): Uint8Array {
  const body = [
    0xfe,
    0xfd,
    ...new Uint8Array(32).fill(7),
    0,
    cookie.length,
    ...cookie,
    0,
    2,
    0xc0,
    0xa8,
    1,
    0,
  ];
  const length = [0, 0, body.length];
  const message = [1, ...length, 0, sequence, 0, 0, 0, ...length, ...body];
  return Uint8Array.from([
    handshake,
    ...[0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, sequence],
    ...[message.length >> 8, message.length & 255],
    ...message,
  ]);
}

async function ask(socket: Socket, datagram: Uint8Array, port: number): Promise<Buffer> {
  const answer = once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
  socket.send(datagram, port, '127.0.0.1');
  const [bytes] = await answer;
  return bytes as Buffer;
}

for (const flags of [[], ['--no-ems']]) {
  const isTaken = flags.length > 0;
  test(`a device without extended master secret is ${isTaken ? 'taken with --no-ems' : 'refused, and the log says why and how to take it'}`, async (t) => {
    const gateway = new CoapsuleProcess(t, [
      ...['serve', '--demo', '--data', join(temporaryFolder(t), 'data')],
      ...['--coap', 'off', '--coaps', '127.0.0.1:0', ...flags],
    ]);
    const [, port] = await gateway.waitFor('stdout', /^ready .*"coaps":"127\.0\.0\.1:(\d+)"/m);
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    const request = await ask(socket, clientHello(new Uint8Array(0), 0), Number(port));
    const answer = await ask(socket, clientHello(request.subarray(28), 1), Number(port));
    if (isTaken) {
      assert.deepEqual([answer[0], answer[13]], [handshake, serverHello]);
    } else {
      assert.deepEqual([answer[0], ...answer.subarray(13)], [alert, 2, 40]);
      await gateway.waitFor(
        'stderr',
        /failed: no-extended-master-secret: .*; the device lacks RFC 7627: .*--no-ems/,
      );
    }
  });
}

/**
 * Sends ClientHellos from many addresses of 127.0.0.0/8 at a steady rate, as a process of its own.
 *
 * Arguments: port, number of hellos, hellos a second. Answers are not read. Prints the number sent at its end.
 */
import { randomFillSync } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const [port = 0, count = 0, rate = 0] = process.argv.slice(2).map(Number);

/** Record, message header, version, random, no session, a made-up cookie, one suite, null compression. */
const hello = Buffer.from(
  `16feff0000000000000000 0056 01 00004a 0000 000000 00004a fefd ${'00'.repeat(32)} 00 20 ${'00'.repeat(32)} 0002 c0a8 01 00`.replaceAll(
    ' ',
    '',
  ),
  'hex',
);
const randomAt = 13 + 12 + 2;
const cookieAt = randomAt + 32 + 2;

const sockets: Socket[] = [];
for (let i = 0; i < 250; i++) {
  const socket = createSocket('udp4');
  socket.bind(0, `127.${1 + (i % 5)}.${1 + i}.7`);
  await once(socket, 'listening');
  sockets.push(socket);
}
let sent = 0;
const begin = performance.now();
while (sent < count) {
  const due = Math.min(count, Math.ceil(((performance.now() - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    const datagram = Buffer.from(hello);
    randomFillSync(datagram, randomAt, 32);
    randomFillSync(datagram, cookieAt, 32);
    sockets[sent % sockets.length]?.send(datagram, port, '127.0.0.1');
  }
  // Short naps: a flood that comes in bursts would measure the length of the bursts.
  await sleep(1);
}
for (const socket of sockets) socket.close();
console.log(String(sent));

/**
 * Sends ClientHellos from many addresses of 127.0.0.0/8 at a steady rate, as a process of its own.
 *
 * Arguments: port, number of hellos, hellos a second. Answers are not read. Prints the number sent at its end.
 * A real flood comes from other machines: this one runs at the lowest priority and with as little work for each hello
 * as Node allows, so that what is measured is the gateway, not who gets the processor.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const [port = 0, count = 0, rate = 0] = process.argv.slice(2).map(Number);
setPriority(constants.priority.PRIORITY_LOW);

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
/** Randoms and cookies are cut from here at positions that no two hellos of a run share. */
const noise = randomBytes(count + 64);

const sockets: Socket[] = [];
for (let i = 0; i < 250; i++) {
  const socket = createSocket('udp4');
  socket.bind(0, `127.${1 + (i % 5)}.${1 + i}.7`);
  await once(socket, 'listening');
  // Connected: a send then asks nobody for an address.
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  sockets.push(socket);
}
let sent = 0;
const begin = performance.now();
while (sent < count) {
  const due = Math.min(count, Math.floor(((performance.now() - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    const datagram = Buffer.from(hello);
    noise.copy(datagram, randomAt, sent, sent + 32);
    noise.copy(datagram, cookieAt, sent + 32, sent + 64);
    sockets[sent % sockets.length]?.send(datagram);
  }
  // Short naps: a flood that comes in bursts would measure the length of the bursts.
  await sleep(1);
}
for (const socket of sockets) socket.close();
console.log(String(sent));

/**
 * The other processes of `handshake-flood.bench.ts`: `serve` prints its port; `flood URI` shakes hands with 16 clients at
 * a time, one handshake after the other, and prints each second how many there were.
 */
import { createPublicKey } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import { Client, content, Server } from 'coapsule';

const [command, uri = ''] = process.argv.slice(2);
const { FLOOD_SERVER_KEY: serverKey = '', FLOOD_CLIENT_KEY: clientKey = '' } = process.env;

if (command === 'serve') {
  const server = new Server().resource('/hello', { get: () => content('hello') });
  const listener = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', new TextEncoder().encode('MySecret16ByteK!')]]) },
    rawPublicKey: { privateKey: serverKey },
    clientPublicKeys: new Map([['flood', createPublicKey(clientKey)]]),
  });
  console.log(listener.port);
  process.on('SIGTERM', () => process.exit(0));
} else {
  setPriority(constants.priority.PRIORITY_LOW);
  let handshakes = 0;
  setInterval(() => {
    console.log(handshakes);
    handshakes = 0;
  }, 1000);
  const options = { rawPublicKey: { privateKey: clientKey }, peerPublicKeys: [createPublicKey(serverKey)] };
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (;;) {
        await using client = new Client(options);
        await client.get(uri);
        handshakes++;
      }
    }),
  );
}

/** A UDP port for tests that have to name one before anybody listens on it. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A port that no socket is bound to. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/**
 * The limit of what is measured: a socket of Node that answers every request with the same bytes behind its Message ID and token,
 * and knows nothing of CoAP. What it costs is what Node and the kernel take for a datagram in and a datagram out.
 */
import { createSocket } from 'node:dgram';

const socket = createSocket({ type: 'udp4', lookup: (name, _options, callback) => callback(null, name, 4) });
/** 2.05 with a payload, as the other servers answer; Message ID and token of 4 bytes are the request's. */
const answer = Buffer.from('\x64\x45______\xffHello, world!', 'latin1');
socket.on('message', (request, { port, address }) => {
  const response = Buffer.from(answer);
  request.copy(response, 2, 2, 8);
  socket.send(response, port, address);
});
socket.bind(0, '127.0.0.1', () => console.log(String(socket.address().port)));

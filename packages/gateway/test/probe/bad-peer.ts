/** Two peers that break each rule a probe looks at: one of plain CoAP, one that looks like DTLS. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import {
  Code,
  decodeMessage,
  encodeMessage,
  isDecodeFault,
  type Message,
  OptionNumber,
  OptionSet,
} from 'coapsule/message';

/** A socket on a free port of the loopback address that ends with the test. */
async function bound(
  t: TestContext,
  answer: (datagram: Uint8Array, send: (reply: Uint8Array) => void) => void,
): Promise<number> {
  const socket: Socket = createSocket('udp4');
  socket.on('message', (datagram, from: RemoteInfo) => {
    answer(datagram, (reply) => socket.send(reply, from.port, from.address));
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket.address().port;
}

const noBytes = new Uint8Array(0);

/** Breaks the rules of CoAP. `diesOf`: a payload marker alone makes it fall silent for good. `see` gets what can be read. */
export function startBadPeer(
  t: TestContext,
  diesOf: 'nothing' | 'payload-marker',
  see: (message: Message) => void = () => {},
): Promise<number> {
  let isDead = false;
  return bound(t, (datagram, send) => {
    if (isDead) return;
    const message = decodeMessage(datagram);
    const id = ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0);
    const acknowledgement = Uint8Array.of(0x60, 0, id >> 8, id & 255);
    if (isDecodeFault(message)) {
      if (diesOf === 'payload-marker' && endsWithMarker(datagram)) isDead = true;
      else send(acknowledgement);
      return;
    }
    see(message);
    if (message.code === Code.Empty || message.code >= Code.Created) send(acknowledgement);
    else for (const reply of repliesTo(message)) send(reply);
  });
}

/** Whether a message ends with a payload marker that has nothing behind it: without it all is well. A token may end with 0xff too. */
function endsWithMarker(datagram: Uint8Array): boolean {
  return datagram.at(-1) === 0xff && !isDecodeFault(decodeMessage(datagram.subarray(0, -1)));
}

function repliesTo(request: Message): readonly Uint8Array[] {
  const { options, code } = request;
  const reply = (
    responseCode: number,
    payload: Uint8Array = noBytes,
    set: OptionSet = new OptionSet(),
  ): Uint8Array =>
    encodeMessage({
      type: 'ACK',
      messageId: request.messageId,
      token: request.token,
      code: responseCode,
      options: set,
      payload,
    });
  // Elective options are refused, critical ones passed over.
  if (options.has(65_000) || options.has(OptionNumber.Observe)) return [reply(Code.BadOption)];
  if (code === Code.Fetch) {
    return [Uint8Array.of(0x70, 0, request.messageId >> 8, request.messageId & 255)];
  }
  const withTag = new OptionSet().add(OptionNumber.ETag, new Uint8Array(9));
  if (options.has(OptionNumber.Block2)) return [reply(Code.Content, new Uint8Array(1100))];
  if (options.texts(OptionNumber.UriPath)[0] === '.well-known') {
    // Large, and three times.
    return Array.from({ length: 3 }, () => reply(Code.Content, new Uint8Array(1000), withTag));
  }
  return [reply(Code.Content, new Uint8Array(20), withTag)];
}

/** Answers requests with 4.01 and an Echo until that comes back. */
export function startShyPeer(t: TestContext): Promise<number> {
  return bound(t, (datagram, send) => {
    const request = decodeMessage(datagram);
    if (isDecodeFault(request) || request.code === Code.Empty) return;
    const isProved = request.options.has(OptionNumber.Echo);
    const options = new OptionSet();
    if (!isProved) options.add(OptionNumber.Echo, Uint8Array.of(1, 2, 3, 4));
    const { messageId, token } = request;
    const code = isProved ? Code.Content : Code.Unauthorized;
    send(encodeMessage({ type: 'ACK', messageId, token, code, options, payload: noBytes }));
  });
}

/** Takes DTLS 1.0, chooses NULL where it is offered, asks for no cookie and floods; answers garbage with garbage. */
export function startBadDtlsPeer(t: TestContext): Promise<number> {
  return bound(t, (datagram, send) => {
    const isHello = datagram[0] === 22 && datagram[13] === 1 && datagram.length > 70;
    if (!isHello) {
      if (datagram[0] !== 21) send(Uint8Array.of(1, 2, 3));
      return;
    }
    const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
    const version = view.getUint16(25);
    // Random, an empty session id and an empty cookie lie before the suites.
    const suitesLength = view.getUint16(61);
    const offered = Array.from({ length: suitesLength / 2 }, (_, index) => view.getUint16(63 + 2 * index));
    const suite = offered.includes(0x00b0) ? 0x00b0 : (offered[0] ?? 0);
    const body = [version >> 8, version & 255, ...new Uint8Array(32), 0, suite >> 8, suite & 255, 0];
    const length = [0, 0, body.length];
    const message = [2, ...length, 0, 0, 0, 0, 0, ...length, ...body];
    send(Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, message.length, ...message));
    for (let i = 0; i < 3; i++) send(Uint8Array.of(23, 0xfe, 0xfd, ...new Uint8Array(600)));
  });
}

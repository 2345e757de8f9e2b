/** Datagrams that no honest sender makes, on the real sockets of a running gateway. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type TestContext, test } from 'node:test';
import { peerTest } from './peer.ts';
import { run } from './process.ts';
import { coapsule, demoCredentials, type RunningGateway, startGateway } from './programs.ts';

/** The gateway still answers on both ports, has not written an error and runs on. */
async function assertUnharmed(t: TestContext, gateway: RunningGateway): Promise<void> {
  for (const uri of [gateway.coap, gateway.coaps]) {
    const { code, stdout, output } = await coapsule(t, 'get', `${uri}/hello`, ...demoCredentials);
    assert.equal(code, 0, output);
    assert.equal(stdout.toString().trimEnd(), 'Hello, world!');
  }
  assert.doesNotMatch(gateway.process.output, /uncaught|unhandled|InvariantError|\n\s+at /i);
}

const clientHelloStart = Buffer.from('16feff0000000000000000', 'hex');

for (const [name, datagrams] of [
  ['an empty datagram', [Buffer.alloc(0)]],
  [
    'a datagram of 65,507 bytes',
    [
      Buffer.alloc(65_507),
      Buffer.alloc(65_507, 0xff),
      Buffer.concat([Buffer.from('4001000100', 'hex'), Buffer.alloc(65_502, 'a')]), // a CON GET that goes on
      Buffer.concat([clientHelloStart, Buffer.from('ffe1', 'hex'), Buffer.alloc(65_494, 1)]),
    ],
  ],
  ['every datagram of one byte', Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]))],
] as const) {
  test(`${name} does no harm to the running gateway`, async (t) => {
    const gateway = await startGateway(t);
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    for (const port of [gateway.coapPort, gateway.coapsPort]) {
      for (const datagram of datagrams) {
        await new Promise<void>((resolve, reject) => {
          socket.send(datagram, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
        });
      }
    }
    await assertUnharmed(t, gateway);
  });
}

/** Sends one datagram with source port 0 (raw socket, IPv4 and UDP header by hand): script PORT HEX */
const sendFromPortZero = `
import socket, struct, sys
port, payload = int(sys.argv[1]), bytes.fromhex(sys.argv[2])
udp = struct.pack('!HHHH', 0, port, 8 + len(payload), 0) + payload
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(udp, ('127.0.0.1', 0))
`;

const portZero = 'a datagram from source port 0 does no harm to the running gateway';
if (process.getuid?.() !== 0) {
  test(portZero, { skip: 'needs root: raw sockets' }, () => {});
} else {
  peerTest(portZero, ['python3'], async (t) => {
    const gateway = await startGateway(t);
    const malformed = '40010001bf'; // option length 15 is reserved
    const wellFormed = `40010002b5${Buffer.from('hello').toString('hex')}`;
    const clientHello = `${clientHelloStart.toString('hex')}0004deadbeef`;
    for (const [port, hex] of [
      [gateway.coapPort, malformed],
      [gateway.coapPort, wellFormed],
      [gateway.coapsPort, clientHello],
    ] as const) {
      const { code, output } = await run(t, 'python3', ['-c', sendFromPortZero, String(port), hex]);
      assert.equal(code, 0, output);
    }
    await assertUnharmed(t, gateway);
  });
}

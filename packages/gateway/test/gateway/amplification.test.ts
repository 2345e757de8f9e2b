/** How much the plain endpoint sends to an address that nothing proves: the limit, and the option that takes it away. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { startTestGateway } from './test-gateway.ts';

/** GET /.well-known/core, Confirmable, by somebody who answers nothing: the bytes of the first message with a payload. */
async function firstAnswer(coap: string): Promise<{ readonly asked: number; readonly answered: number }> {
  const socket = createSocket('udp4');
  const request = Buffer.from([
    0x40,
    1,
    0,
    1,
    0xbb,
    ...Buffer.from('.well-known'),
    4,
    ...Buffer.from('core'),
  ]);
  const { hostname, port } = new URL(coap.replace('coap:', 'http:'));
  socket.send(request, Number(port), hostname);
  for (;;) {
    const [datagram] = (await once(socket, 'message')) as [Buffer];
    if (datagram.length === 4) continue; // a ping
    socket.close();
    return { asked: request.length, answered: datagram.length };
  }
}

test('an address that nothing proves gets three times what came from there; without the limit, all there is', async (t) => {
  const limited = await startTestGateway(t, { demo: true });
  const { asked, answered } = await firstAnswer(limited.coap);
  assert.ok(answered <= 3 * asked, `${answered} bytes for ${asked}`);
  assert.ok(!limited.log.lines.some((line) => line.includes('AMPLIFICATION')));

  const unlimited = await startTestGateway(t, { demo: true, dangerouslyUnlimitedAmplification: true });
  assert.ok((await firstAnswer(unlimited.coap)).answered > 10 * asked);
  assert.ok(unlimited.log.lines.some((line) => line.includes('AMPLIFICATION IS NOT LIMITED')));
});

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

test('a PUT with If-None-Match that comes again after a restart gets its 2.01, not 4.12', async (t) => {
  const folder = temporaryFolder(t);
  const options = { dataFolder: folder, dangerouslyAllowPlainWrites: true, coaps: undefined };
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => socket.close());
  await once(socket, 'listening');
  // CON PUT, Message ID 1234, no token, If-None-Match, Uri-Path sensors, Uri-Path new, payload 1.
  const put = Buffer.from(`400312345067${hex('sensors')}03${hex('new')}ff31`, 'hex');
  const codeOfAnswer = async (coap: string): Promise<number | undefined> => {
    socket.send(put, Number(coap.split(':').at(-1)), '127.0.0.1');
    const [answer] = await once(socket, 'message');
    return answer[1];
  };
  const first = await startTestGateway(t, options);
  assert.equal(await codeOfAnswer(first.coap), 0x41);
  await first.gateway.close();
  const second = await startTestGateway(t, options);
  assert.equal(await codeOfAnswer(second.coap), 0x41);
});

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

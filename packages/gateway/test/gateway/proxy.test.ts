/** The gateway as a forward-proxy: off, for devices, for everyone. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { content, OptionNumber, Server } from 'coapsule';
import type { GatewayProxyOptions } from '../../src/gateway/gateway-proxy.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const key = 'MySecret16ByteK!';
const psks = [{ identity: 'sensor-7', key: new TextEncoder().encode(key) }];

async function startOrigin(t: TestContext): Promise<string> {
  const server = new Server().resource('/temp', { get: () => content('21.9') });
  const { uri } = await server.listen('coap://127.0.0.1:0');
  t.after(() => server.close());
  return uri;
}

/** The code of a GET through the proxy of the gateway, over both ports, as a device where one can be. */
async function codes({ client, coap, coaps }: TestGateway, target: string): Promise<string> {
  const plain = await client().get(target, { proxy: coap });
  const secured = await client('sensor-7', key).get(target, { proxy: coaps });
  return `${plain.codeText} ${secured.codeText}`;
}

const loopback: GatewayProxyOptions = {
  targets: [{ uri: 'coap://127.0.0.1:*' }],
  networks: ['127.0.0.0/8'],
  dangerouslyForEveryone: false,
};

test('a gateway is no proxy unless it is told to be one', async (t) => {
  const gateway = await startTestGateway(t, { psks });
  assert.equal(await codes(gateway, `${await startOrigin(t)}/temp`), '5.05 5.05');
});

test('as a proxy it is one for devices', async (t) => {
  const gateway = await startTestGateway(t, { psks, proxy: loopback });
  const target = `${await startOrigin(t)}/temp`;
  assert.equal(await codes(gateway, target), '4.01 2.05');
  assert.ok(
    gateway.log.lines.some((line) => line.includes(`GET ${target} 2.05 Content`)),
    gateway.log.lines.join('\n'),
  );
  assert.ok(!gateway.log.lines.some((line) => line.includes('EVERYONE')));
});

test('it does not reach networks that were not named, nor its own console and store', async (t) => {
  const gateway = await startTestGateway(t, { psks, proxy: { ...loopback, networks: [] } });
  assert.equal(await codes(gateway, `${await startOrigin(t)}/temp`), '4.01 5.05');
});

test('nor where clouds keep their metadata, in any form of address, whatever targets are named', async (t) => {
  const gateway = await startTestGateway(t, {
    psks,
    proxy: { targets: [{ uri: 'coap://*:*' }], networks: [], dangerouslyForEveryone: true },
  });
  for (const host of [
    '169.254.169.254',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::a9fe:a9fe]',
    '[fd00:ec2::254]',
  ]) {
    assert.equal(await codes(gateway, `coap://${host}/latest`), '5.05 5.05', host);
  }
});

test('with --dangerously-open-proxy it is one for everyone, and says so', async (t) => {
  const gateway = await startTestGateway(t, { psks, proxy: { ...loopback, dangerouslyForEveryone: true } });
  assert.equal(await codes(gateway, `${await startOrigin(t)}/temp`), '2.05 2.05');
  assert.ok(gateway.log.lines.some((line) => line.startsWith('EVERYONE MAY USE THE PROXY')));
});

test('a request that names the gateway itself is a local one, and its access rules hold', async (t) => {
  const gateway = await startTestGateway(t, { psks, proxy: loopback });
  const own = gateway.client('sensor-7', key);
  const { coap, coaps } = gateway;
  const put = await own.put(`${coaps}/sensors/sensor-7/temp`, { payload: '21.9', proxy: coaps });
  assert.equal(put.codeText, '2.01');
  assert.equal(
    (await own.put(`${coaps}/sensors/other/temp`, { payload: '1', proxy: coaps })).codeText,
    '4.03',
  );
  // Over the plain port it is a plain request.
  const plain = await gateway.client().get(`${coap}/sensors/sensor-7/temp`, { proxy: coap });
  assert.equal(plain.codeText, '4.01');
  const options = [{ number: OptionNumber.ProxyUri, value: `${coaps}/sensors/sensor-7/temp` }];
  assert.equal((await gateway.client().get(coap, { options })).codeText, '4.01');
});

test('a loop is told of in the log', async (t) => {
  const gateway = await startTestGateway(t, { psks, proxy: loopback });
  const options = [{ number: OptionNumber.HopLimit, value: 1 }];
  const target = `${await startOrigin(t)}/temp`;
  const response = await gateway.client('sensor-7', key).get(target, { proxy: gateway.coaps, options });
  assert.equal(response.codeText, '5.08');
  assert.ok(gateway.log.lines.some((line) => line.includes('goes round through this proxy')));
});

test('while a server behind the proxy is slow all else is answered at once, and its answer comes when it has one', async (t) => {
  const gate = Promise.withResolvers<void>();
  const server = new Server().resource('/slow', {
    get: async () => {
      await gate.promise;
      return content('at last');
    },
  });
  const { uri } = await server.listen('coap://127.0.0.1:0');
  t.after(() => server.close());
  const gateway = await startTestGateway(t, {
    ...{ psks, dangerouslyAllowPlainWrites: true },
    proxy: { ...loopback, dangerouslyForEveryone: true },
  });
  const waiting = Array.from({ length: 20 }, () =>
    gateway.client().get(`${uri}/slow`, { proxy: gateway.coap }),
  );
  let answered = 0;
  for (const each of waiting) void each.then(() => answered++);
  const device = gateway.client('sensor-7', key);
  for (let value = 0; value < 50; value++) {
    const path = `${gateway.coaps}/sensors/sensor-7`;
    assert.ok((await device.put(path, { payload: String(value) })).ok);
    assert.equal((await device.get(path)).text(), String(value));
  }
  assert.equal(answered, 0);
  gate.resolve();
  for (const response of await Promise.all(waiting)) assert.equal(response.text(), 'at last');
});

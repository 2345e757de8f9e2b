/** A server that asks the sender of a request, over the way that the request came (RFC 7252 §2; `Request.ask`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import {
  ApiMisuseError,
  Client,
  type CoapsuleError,
  Code,
  changed,
  content,
  type Listener,
  OptionNumber,
  type Request,
  type Response,
  Server,
} from '../../src/index.ts';
import { Driver, type DriverOutput } from '../../src/node/driver.ts';
import { systemRandom } from '../../src/node/system-random.ts';

const identity = 'sensor-042';
const key = Buffer.from('MySecret16ByteK!');

/** What the device was asked, and how it reports to the gateway and is asked by it. */
interface Device {
  readonly asked: string[];
  report(): void;
  reported(): Promise<string>;
  disconnect(): void;
}

/** A device that asks and answers on one socket, as one in the field does; it has 3,000 bytes at /log. */
async function openDevice(
  t: { after(fn: () => Promise<void>): void },
  { port, scheme }: Listener,
): Promise<Device> {
  const secure = scheme === 'coaps';
  const address = ipAddress('127.0.0.1', port);
  const endpoint = new Endpoint({
    config: {
      security: secure ? 'dtls' : 'none',
      role: 'both',
      dtls: {
        credentials: { psk: true, peerTypes: [], clientAuthentication: 'none' },
        clientCredentials: { psk: true, peerTypes: [], clientAuthentication: 'none' },
      },
    },
    random: systemRandom,
    crypto: nodeCrypto,
  });
  const asked: string[] = [];
  let answered = Promise.withResolvers<string>();
  const onOutput = (output: DriverOutput): void => {
    if (output.kind === 'psk-lookup') {
      const psk = { identity: new TextEncoder().encode(identity), key };
      driver.run((one, now) => one.answerPskLookup(output.lookup, psk, now));
    } else if (output.kind === 'request') {
      const { options } = output.request;
      const path = options.texts(OptionNumber.UriPath).join('/');
      asked.push(
        [path, ...options.texts(OptionNumber.UriQuery), options.has(OptionNumber.UriHost)].join(' '),
      );
      if (path === 'never') return;
      const payload = new Uint8Array(path === 'log' ? 3000 : 2).fill(0x61);
      const answer = { code: Code.Content, options: new OptionSet(), payload, keepAnswer: false };
      driver.run((one, now) => one.respond(output.exchange, answer, now));
    } else if (output.kind === 'response') {
      answered.resolve(new TextDecoder().decode(output.response.payload));
    } else if (output.kind === 'request-failed') {
      answered.reject(new Error(JSON.stringify(output.error)));
    }
  };
  const driver = await Driver.open({
    endpoint,
    socket: { host: '127.0.0.1' },
    onOutput,
    onDefect: (error) => assert.fail(String(error)),
  });
  t.after(() => driver.close());
  return {
    asked,
    report: () => {
      answered = Promise.withResolvers<string>();
      const options = new OptionSet().add(OptionNumber.UriPath, 'report');
      driver.run((one, now) =>
        one.request(address, { code: Code.Post, options, payload: new Uint8Array(), type: 'CON' }, now),
      );
    },
    reported: () => answered.promise,
    disconnect: () => driver.run((one, now) => one.closeAll(now)),
  };
}

/** A server whose handler of /report does what the test says. */
async function openServer(
  t: { after(fn: () => Promise<void>): void },
  scheme: 'coap' | 'coaps',
  handle: (request: Request) => Promise<Response | undefined>,
): Promise<Listener> {
  const server = new Server().resource('/report', {
    post: async (request) => {
      const response = await handle(request);
      return changed(response === undefined ? 'none' : `${response.codeText} ${response.payload.length}`);
    },
  });
  t.after(() => server.close());
  return server.listen(
    `${scheme}://127.0.0.1:0`,
    scheme === 'coaps' ? { psk: { lookup: new Map([[identity, key]]) } } : {},
  );
}

for (const scheme of ['coap', 'coaps'] as const) {
  test(`${scheme}: a handler asks the sender of its request, block-wise too, before it answers`, async (t) => {
    const listener = await openServer(t, scheme, (request) => request.ask('GET', '/log?from=3'));
    const device = await openDevice(t, listener);
    device.report();
    assert.equal(await device.reported(), '2.05 3000');
    assert.equal(device.asked[0], 'log from=3 false');
    assert.equal(listener.peers().length, scheme === 'coaps' ? 1 : 0, 'no other association was made for it');
  });
}

test('the sender can be asked after the answer, and not any more when its association is gone', async (t) => {
  const requests: Request[] = [];
  const listener = await openServer(t, 'coaps', async (request) => void requests.push(request));
  const device = await openDevice(t, listener);
  device.report();
  await device.reported();
  const [request] = requests as [Request];
  assert.equal((await request.ask('GET', '/state')).payload.length, 2);
  listener.disconnect(identity);
  await assert.rejects(
    request.ask('GET', '/state'),
    (error: CoapsuleError) => error.code === 'ERR_ASSOCIATION_CLOSED',
  );
  assert.equal(device.asked.length, 1);
});

test('it waits as long as its caller wants, and fails when the server closes', async (t) => {
  const requests: Request[] = [];
  const server = new Server().resource('/report', {
    post: (request) => {
      requests.push(request);
      return content('ok');
    },
  });
  const listener = await server.listen('coap://127.0.0.1:0');
  const device = await openDevice(t, listener);
  device.report();
  await device.reported();
  const [request] = requests as [Request];
  const hasCode = (code: string) => (error: CoapsuleError) => error.code === code;
  await assert.rejects(request.ask('GET', '/never', { timeoutMs: 50 }), hasCode('ERR_TIMEOUT'));
  await assert.rejects(request.ask('GET', 'never'), ApiMisuseError);
  await assert.rejects(request.ask('GET', '/never', { proxy: 'coap://localhost' } as object), ApiMisuseError);
  const waiting = assert.rejects(request.ask('GET', '/never'), hasCode('ERR_CLOSED'));
  await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  await waiting;
  await assert.rejects(request.ask('GET', '/never'), hasCode('ERR_ASSOCIATION_CLOSED'));
});

test('over a connection it is refused with a reason', async (t) => {
  let refusal: unknown;
  const server = new Server().resource('/report', {
    post: async (request) => {
      refusal = await request.ask('GET', '/state').catch((error: unknown) => error);
      return changed();
    },
  });
  t.after(() => server.close());
  const { uri } = await server.listen('coap+tcp://127.0.0.1:0');
  await using client = new Client();
  await client.post(`${uri}/report`);
  assert.ok(refusal instanceof ApiMisuseError);
  assert.match(refusal.message, /came over a connection/);
});
